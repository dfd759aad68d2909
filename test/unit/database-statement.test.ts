import { describe, expect, it } from 'vitest';
import { databaseStatement, mayBeDatabaseStatement } from '../../src/shared/database-statement.ts';

const nameIn = (text: string): string | null | undefined => databaseStatement(text)?.name;

describe('a statement that no change stream of a database may stand in the way of', () => {
  it('is known by its first words, with the name as the origin reads it', () => {
    expect(nameIn('DROP DATABASE Shop')).toBe('shop');
    expect(nameIn('/* why */ drop -- now\n database if exists "Shop ""1""" with (force);')).toBe('Shop "1"');
    expect(nameIn('DROP DATABASE"shop"')).toBe('shop');
    expect(nameIn('DROP DATABASE IF EXISTS shop$1')).toBe('shop$1');
    expect(nameIn('ALTER DATABASE shop RENAME TO shop_2')).toBe('shop');
    expect(nameIn('ALTER DATABASE "shop" SET TABLESPACE fast')).toBe('shop');
    expect(nameIn('CREATE DATABASE shop_2 TEMPLATE shop')).toBe('shop');
    expect(nameIn(`CREATE DATABASE shop_2 OWNER me TEMPLATE = 'Shop' ENCODING 'UTF8'`)).toBe('Shop');
    expect(nameIn('CREATE DATABASE shop_2')).toBe('template1');
  });

  it('is of any database where the name cannot be told', () => {
    expect(nameIn('DROP DATABASE U&"d\\0061ta"')).toBe(null);
    expect(nameIn('DROP DATABASE IF EXISTS U&"d\\0061ta"')).toBe(null);
    expect(nameIn('DROP DATABASE größe')).toBe(null);
    expect(nameIn(`DROP DATABASE ${'x'.repeat(64)}`)).toBe(null);
    expect(nameIn('CREATE DATABASE y TEMPLATE U&"x"')).toBe(null);
  });

  it('is no other statement', () => {
    for (const text of [
      'DROP TABLE database',
      'ALTER DATABASE shop SET work_mem = 1',
      'ALTER DATABASE shop OWNER TO me',
      'CREATE TABLE database (a int)',
      `SELECT 'DROP DATABASE shop'`,
      '',
    ]) {
      expect(databaseStatement(text)).toBe(null);
    }
  });

  it('leaves no database of the name only when it was dropped or renamed', () => {
    const tags = [
      'DROP DATABASE a',
      'ALTER DATABASE a RENAME TO b',
      'ALTER DATABASE a SET TABLESPACE b',
      'CREATE DATABASE a',
    ];
    expect(tags.map((text) => databaseStatement(text)!.goneAfter)).toEqual([
      'DROP DATABASE',
      'ALTER DATABASE',
      null,
      null,
    ]);
  });

  it('passes the cheap test on its bytes', () => {
    const mayBe = (text: string) => mayBeDatabaseStatement(Buffer.from(text), 0, text.length);
    const all = [' \n drop', 'Alter', 'CREATE', '-- x', '/* x'].map(mayBe);
    expect([...all, mayBe('SELECT'), mayBe('d')]).toEqual([true, true, true, true, true, false, false]);
  });
});
