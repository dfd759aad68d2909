/** What is used lately stays through a scan, what is not goes, and neither entries nor text outgrow their bound. */
import { describe, expect, it } from 'vitest';
import { Recent } from '../../src/shared/recent.ts';

describe('what was used lately', () => {
  it('stays while a scan goes by, if it is used once in half the bound', () => {
    const recent = new Recent<number>(100, 1e6);
    for (let i = 0; i < 10; i++) recent.set(`hot ${i}`, i);
    let lost = 0;
    for (let i = 0; i < 100_000; i++) {
      recent.set(`scanned ${i}`, i);
      if (i % 3 === 0 && recent.get(`hot ${(i / 3) % 10}`) !== (i / 3) % 10) lost++;
    }
    expect(lost).toBe(0);
    expect(recent.get('scanned 0')).toBeUndefined();
    expect(recent.get('scanned 99999')).toBe(99_999);
  });

  it('takes no more entries than the bound', () => {
    const recent = new Recent<number>(10, 1e6);
    for (let i = 0; i < 1_000; i++) {
      recent.set(`${i}`, i);
      expect(recent.size).toBeLessThanOrEqual(10);
    }
    expect(recent.get('999')).toBe(999);
  });

  it('takes no more text than the bound, and one long key alone', () => {
    const recent = new Recent<string>(1_000, 1_000);
    for (let i = 0; i < 100; i++) recent.set('x'.repeat(200) + i, 'v');
    expect(recent.size * 200).toBeLessThanOrEqual(1_000);
    recent.set('y'.repeat(5_000), 'long');
    expect(recent.get('y'.repeat(5_000))).toBe('long');
    expect(recent.size).toBeLessThan(5);
  });

  it('is what was set last, until it is deleted', () => {
    const recent = new Recent<number>(4, 100);
    recent.set('a', 1);
    recent.set('a', 2);
    expect([recent.get('a'), recent.size]).toEqual([2, 1]);
    recent.set('b', 3);
    recent.set('c', 4); // a and b are old now
    recent.delete('a');
    recent.delete('c');
    expect([recent.get('a'), recent.get('b'), recent.get('c'), recent.size]).toEqual([undefined, 3, undefined, 1]);
    recent.clear();
    expect(recent.size).toBe(0);
  });
});
