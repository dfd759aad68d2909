/** What one life of the change stream is read into: its changes count as long as it is the current one; those of a life that is over are not ours to apply. */
import { DDL_MESSAGE_PREFIX } from '../shared/ddl-trigger.ts';
import type { Apply } from './apply.ts';
import type { ChangeSink } from './change.ts';

export interface LifeSinkEvents {
  readonly isCurrent: () => boolean;
  readonly onRow: () => void;
  /** @param tag of the command */
  readonly onDdl: (tag: string) => void;
  readonly onCommit: (isCurrent: boolean) => void;
}

export function sinkOfLife(apply: Apply, { isCurrent, onRow, onDdl, onCommit }: LifeSinkEvents): ChangeSink {
  return {
    begin: (xid) => apply.begin(xid),
    change: (change) => {
      if (!isCurrent()) return;
      onRow();
      apply.change(change);
    },
    truncate: (relations) => {
      if (isCurrent()) apply.truncate(relations);
    },
    message: (prefix, content) => {
      if (prefix !== DDL_MESSAGE_PREFIX || !isCurrent()) return;
      // Rounds follow until one of them shows it.
      apply.settles();
      onDdl(content.toString('utf8'));
    },
    commit: (endLsn) => {
      apply.commit(endLsn);
      onCommit(isCurrent());
    },
    get isBusy() {
      return apply.isBusy && isCurrent();
    },
    proceed: () => apply.proceed(),
  };
}
