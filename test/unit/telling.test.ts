import { describe, expect, it } from 'vitest';
import { encodeFrame, type ParseView } from '../../src/shared/wire/frontend.ts';
import { Statement } from '../../src/worker/statement.ts';
import { Telling } from '../../src/worker/telling.ts';
import { untold } from '../../src/worker/told.ts';

const view: ParseView = { name: 's', textStart: 7, textEnd: 15 };
const parse = encodeFrame(0x50, Buffer.from('s\0SELECT 1\0\0\0', 'latin1'));
const description = Buffer.concat([encodeFrame(0x74, Buffer.from([0, 0])), encodeFrame(0x6e, Buffer.alloc(0))]);
const [own, lent] = [{ names: null }, { names: {} }];

function statement(origin: Statement['origin'] = 'absent'): Statement {
  const made = new Statement(view, parse, 0, parse.length);
  made.origin = origin;
  return made;
}

describe('what a client is told by answers from here', () => {
  it('counts once the batch was answered', () => {
    const telling = new Telling();
    const [refused, answered] = [statement(), statement()];
    telling.note(own, refused, description, 0, description.length);
    telling.clear();
    telling.note(own, answered, description, 0, description.length);
    expect([refused.told, answered.told]).toEqual([untold(), untold()]);
    telling.commit();
    expect(refused.told).toEqual(untold());
    expect(Math.min(Math.abs(answered.told.parameters), Math.abs(answered.told.rows))).toBeGreaterThan(0);
  });

  it('is not needed where the origin has the statement for this client alone', () => {
    const telling = new Telling();
    const [held, elsewhere] = [statement('held'), statement('held')];
    telling.note(own, held, description, 0, description.length);
    telling.note(lent, elsewhere, description, 0, description.length);
    telling.commit();
    expect([held.isTold, elsewhere.isTold]).toEqual([false, true]);
  });
});
