import { expect, it } from 'vitest';
import { diagnose, firstProblem } from '../../src/shared/diagnose.ts';

/** An origin that is fit, with these synchronous standbys. */
function origin(standbys: string): Promise<readonly (readonly string[])[]> {
  const identity = ['180004', '18.4', 'logical', '0', 'postgres', 'shop', '1', '1'];
  return Promise.resolve([[...identity, '10', '1', '10', '1', 'UTF8', '1', '0', standbys]]);
}

it.each(['', 'replica', 'FIRST 2 (east, west)', '"a standby", b'])(
  'follows an origin with standbys %j',
  async (names) => {
    expect(firstProblem(await diagnose(() => origin(names), 'p'))).toBeNull();
  },
);

// Its confirmations would stand for a standby's: commits would count as safe that no standby has.
it.each(['*', 'ANY 1 (*)', 'FIRST 1 (east, "*")', '"pgfresh stream"'])(
  'follows none for which its stream would be a standby: %j',
  async (names) => {
    expect(firstProblem(await diagnose(() => origin(names), 'p'))?.problem).toBe(
      `standbys: synchronous_standby_names = '${names}'`,
    );
  },
);
