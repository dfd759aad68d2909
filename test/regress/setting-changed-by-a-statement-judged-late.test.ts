// SET bytea_output ran before its verdict was there. The verdict came between two statements, and the next read was still answered from
// the cache as under the old setting: whoever asked for the context got it a moment before the verdict was looked at.
import { describe, expect, it } from 'vitest';
import type { AttachedCache } from '../../src/worker/cache-link.ts';
import { Settings } from '../../src/worker/settings.ts';
import { VerdictSlot } from '../../src/worker/verdicts.ts';

/** A DataRow: two columns, '77' (the process id) and 'hex'. */
const row = Buffer.from('D\0\0\0\x13\0\x02\0\0\0\x0277\0\0\0\x03hex');

const cache = {
  reader: { catalogVersion: () => 1 },
  context: () => ({ contextId: 5, reason: null, catalogVersion: 1 }),
} as unknown as AttachedCache;

/** The settings of a session that knows its context and has sent a statement that nobody has judged. */
function withSuspect(): { settings: Settings; suspect: VerdictSlot } {
  const settings = new Settings();
  settings.backendPid = 77;
  const sink = settings.ask(cache, 'postgres', () => undefined);
  sink.row(row, 0, row.length, true);
  sink.done(false);
  const suspect = new VerdictSlot();
  settings.sent({ slot: suspect, suspect: false, points: null, past: [] });
  return { settings, suspect };
}

const verdict = (changesContext: boolean): NonNullable<VerdictSlot['verdict']> =>
  ({ changesContext }) as NonNullable<VerdictSlot['verdict']>;

describe.each(['current', 'presumed'] as const)('the %s context', (which) => {
  it('has ended when the verdict says that the statement changes settings', () => {
    const { settings, suspect } = withSuspect();
    suspect.verdict = verdict(true);
    expect(settings[which](cache)).toBe(null);
  });

  it('has ended when there will be no verdict', () => {
    const { settings, suspect } = withSuspect();
    suspect.failed = true;
    expect(settings[which](cache)).toBe(null);
  });

  it('goes on when the verdict says that nothing changed', () => {
    const { settings, suspect } = withSuspect();
    suspect.verdict = verdict(false);
    expect(settings[which](cache)).toMatchObject({ contextId: 5 });
  });
});
