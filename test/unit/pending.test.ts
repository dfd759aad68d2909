import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Pending } from '../../src/worker/pending.ts';

it('settles changes in the order they were made, whatever comes between', () => {
  const steps = fc.array(fc.constantFrom('change', 'change', 'confirm', 'undo', 'settle'), { maxLength: 600 });
  fc.assert(
    fc.property(steps, (kinds) => {
      const pending = new Pending(0);
      let [settled, next] = [0, 1];
      const changes: number[] = [];
      for (const kind of kinds) {
        if (kind === 'change') {
          changes.push(next);
          pending.change(next++);
        } else if (kind === 'settle') {
          settled = next;
          pending.settle(next++);
        } else {
          const oldest = changes.shift();
          if (kind === 'confirm') {
            settled = oldest ?? settled;
            pending.confirm();
          } else pending.undo();
        }
        expect([pending.value, pending.answered, pending.isSettled]).toEqual([
          changes.at(-1) ?? settled,
          settled,
          changes.length === 0,
        ]);
      }
    }),
    { numRuns: 300 },
  );
});
