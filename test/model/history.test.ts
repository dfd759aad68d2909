import { describe, expect, it } from 'vitest';
import { History, type Level, type Rule } from './history.ts';

function historyAt(level: Level) {
  const time = { nowMs: 1000 };
  const history = new History({ keys: 4, level, maxStalenessMs: 1000, slackMs: 2, nowMs: () => time.nowMs });
  const write = (session: number, route: 'pgfresh' | 'origin', version: number, key = 0) =>
    history.acknowledge(history.beginWrite(key, session, route), version);
  const read = (session: number, version: number, key = 0) =>
    history.judge(session, 'test', history.beginRead(session, [key])[0]!, { version });
  const rules = (): Rule[] => history.violations.map((violation) => violation.rule);
  return { time, history, write, read, rules };
}

describe('the checker notices', () => {
  it('a session that does not see its own write', () => {
    const { write, read, rules } = historyAt('session');
    write(1, 'pgfresh', 1);
    read(1, 0);
    expect(rules()).toEqual(['own write']);
  });

  it('a write acknowledged through pgfresh that another session misses, under strong', () => {
    const { write, read, rules } = historyAt('strong');
    write(1, 'pgfresh', 1);
    read(2, 0);
    expect(rules()).toEqual(['acknowledged write']);
  });

  it('a direct write that is still missing after max_staleness', () => {
    const { time, write, read, rules } = historyAt('bounded');
    write(1, 'origin', 1);
    time.nowMs += 1003;
    read(2, 0);
    expect(rules()).toEqual(['max_staleness']);
  });

  it('a version that nobody has begun to write', () => {
    const { read, rules } = historyAt('bounded');
    read(1, 1);
    expect(rules()).toEqual(['not yet written']);
  });

  it('rows of one transaction that disagree', () => {
    const { history, rules } = historyAt('bounded');
    history.judgeWhole(1, 'test', history.beginRead(1, [0])[0]!, [3, 4]);
    expect(rules()).toEqual(['torn answer']);
  });

  it('a missing row that no state of the key explains', () => {
    const { history, write, rules } = historyAt('strong');
    write(1, 'pgfresh', 1);
    const [bound] = history.beginRead(2, [0]);
    history.judge(2, 'test', bound!, { absentWhen: (version) => version % 2 === 0 });
    expect(rules()).toEqual(['acknowledged write']);
  });

  it('a session that goes back in time, under monotonic', () => {
    const { write, read, rules } = historyAt('monotonic');
    write(1, 'origin', 1);
    read(2, 1);
    read(2, 0);
    expect(rules()).toEqual(['monotonic']);
  });
});

describe('the checker accepts', () => {
  it('a stale answer that the level allows', () => {
    const { write, read, rules } = historyAt('session');
    write(1, 'pgfresh', 1);
    write(1, 'origin', 1, 1);
    read(2, 0);
    read(2, 0, 1);
    expect(rules()).toEqual([]);
  });

  it('an answer that overtook the acknowledgement of its write', () => {
    const { history, read, rules } = historyAt('strong');
    history.beginWrite(0, 1, 'pgfresh');
    read(2, 1);
    read(2, 0);
    expect(rules()).toEqual([]);
  });

  it('a write that was acknowledged after the read began', () => {
    const { history, write, rules } = historyAt('strong');
    const [bound] = history.beginRead(2, [0]);
    write(1, 'pgfresh', 1);
    history.judge(2, 'test', bound!, { version: 0 });
    expect(rules()).toEqual([]);
  });

  it('a missing row while a write that removes it is on its way', () => {
    const { history, write, rules } = historyAt('strong');
    write(1, 'pgfresh', 1);
    history.beginWrite(0, 1, 'pgfresh');
    history.judge(2, 'test', history.beginRead(2, [0])[0]!, { absentWhen: (version) => version % 2 === 0 });
    expect(rules()).toEqual([]);
  });
});
