/**
 * For how long the beginning of a batch waits for its end. A batch is answered from the cache as a whole or not at all, while a server executes messages as they come, and says at
 * once what fails: a client that sends thousands of rows before its Sync stops early then. So what the origin gets anyway goes there as it comes, and the rest after
 * `heldBatchMsMax`, or twice that where other batches came in between.
 */
import { Limits } from '../shared/limits.ts';
import { Frontend } from '../shared/wire/codes.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { Batch, BatchPatience } from './client-input.ts';
import type { LevelCommands } from './level-commands.ts';
import type { Session } from './session.ts';

const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };

export class BatchEnd implements BatchPatience {
  private readonly session: Session;
  private readonly levels: LevelCommands;
  private timer: NodeJS.Timeout | undefined;
  private isOverdue = false;

  constructor(session: Session, levels: LevelCommands) {
    this.session = session;
    this.levels = levels;
  }

  isOver(batch: Batch): boolean {
    // The origin must not see those, nor what their error skips.
    if (this.session.state !== 'ready' || this.levels.mayBeOurs(batch)) return false;
    if (this.isOverdue || this.isForOrigin(batch)) return true;
    this.timer ??= this.wait();
    return false;
  }

  /** Whether it goes there whatever its end is. What is not known to be cacheable is taken for what is not. */
  private isForOrigin({ bytes, start, end, at, count }: Batch): boolean {
    const { order, statements } = this.session;
    if (order.isInSequence) return true;
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      // The name may stand for what this makes.
      if (bytes[from] === Frontend.parse) return false;
      if (bytes[from] !== Frontend.bind) continue;
      const to = i + 1 < count ? start + at[i + 1]! : end;
      const statement = frontend.decodeBind(bytes, from, to, bind) ? statements.get(bind.statement) : null;
      const mayHit = statement !== null && (statement.command !== null || statement.slot?.verdict?.cacheable === true);
      if (!mayHit) return true;
    }
    return false;
  }

  private wait(): NodeJS.Timeout {
    const { session } = this;
    const { input } = session;
    const { taken } = input;
    const look = (): void => {
      this.timer = undefined;
      // Else this is another one, which has not waited for so long.
      this.isOverdue = input.taken === taken;
      session.turn(() => input.lookAgain());
      this.isOverdue = false;
    };
    return setTimeout(look, Limits.heldBatchMsMax).unref();
  }
}
