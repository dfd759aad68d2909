/**
 * Settings that belong to applications (`app.tenant`) and are read by policies, views and SQL functions through `current_setting`: the
 * catalog tells their names, every session's context has their values, so that the key of an answer has them too.
 */
import { Limits } from '../shared/limits.ts';

/**
 * Names of settings in calls of current_setting with a constant. Found in the text: one too many costs nothing but a column of the
 * context, and a name that is missed is in no key, so that what reads it is passed through.
 * A name with a dot is nobody's but an application's; others may be closed to ordinary roles, and a context that cannot be read is none.
 */
export function settingsNamedIn(sources: Iterable<string>): readonly string[] {
  const names = new Set<string>();
  for (const source of sources) {
    for (const [, name] of source.matchAll(/current_setting\s*\(\s*'([a-z_][\w$]*(?:\.[a-z_][\w$]*)+)'/gi)) {
      if (!/^pgfresh\./i.test(name!)) names.add(name!.toLowerCase());
    }
  }
  return [...names].sort().slice(0, Limits.keySettingsMax);
}
