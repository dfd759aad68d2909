/**
 * A worker's way to the databases that its sessions are in. That of `--upstream` is always open; another is opened when the first session has
 * logged in to it (so the origin knows it, and lets somebody in), and closed after the last one.
 *
 *   enter ─▶ openDatabase ─▶ slot: its words in the store      null: no room, sessions pass through, asked again
 *   leave ─▶ a while later the slot is forgotten, then closeDatabase: many clients connect for one statement
 *   a new generation: all are opened anew
 */
import type { Config } from '../shared/config.ts';
import type { ControlWords } from '../shared/memory/control.ts';
import { databaseHash } from '../shared/memory/fences.ts';
import type { DatabaseHold } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import { AttachedCache, type CacheAttachment } from './cache-link.ts';

const ASK_AGAIN_MS = 1_000;
const LINGER_MS_MAX = 5_000;

export class DatabaseLink {
  readonly name: string;
  /** What fences know it by. */
  readonly hash: number;
  cache: AttachedCache | null = null;
  /** The cache thread has no room for its stream. */
  isRefused = false;
  sessions = 0;
  lingering: NodeJS.Timeout | undefined;

  constructor(name: string) {
    this.name = name;
    this.hash = databaseHash(name);
  }

  /** Its cache, if answers may come from there now. */
  get live(): AttachedCache | null {
    return this.cache?.isLive === true ? this.cache : null;
  }

  /** Why there is no live cache. */
  get whyNot(): Reason {
    return this.isRefused ? 'session.database' : 'cache.down';
  }
}

export class DatabaseLinks {
  /** That of `--upstream`. */
  readonly first: DatabaseLink;
  private readonly control: ControlWords;
  private readonly others = new Map<string, DatabaseLink>();
  /** Its sessions have something to do. */
  private readonly opened: (link: DatabaseLink) => void;
  private readonly lingerMs: number;
  private attachment: CacheAttachment | null = null;
  private holds = 0;

  constructor(config: Pick<Config, 'upstream' | 'cdc'>, control: ControlWords, opened: (link: DatabaseLink) => void) {
    this.first = new DatabaseLink(config.upstream.database);
    this.lingerMs = Math.min(LINGER_MS_MAX, config.cdc.databaseIdleMs);
    this.control = control;
    this.opened = opened;
  }

  /** A session has logged in. */
  enter(name: string): DatabaseLink {
    if (name === this.first.name) {
      this.wake(this.first);
      return this.first;
    }
    let link = this.others.get(name);
    if (link === undefined) {
      link = new DatabaseLink(name);
      this.others.set(name, link);
      this.open(link);
    } else this.wake(link);
    clearTimeout(link.lingering);
    link.sessions++;
    return link;
  }

  /** Its stream may have ended for a DROP DATABASE, and now there is one of that name again. */
  private wake(link: DatabaseLink): void {
    if (link.cache !== null && link.live === null)
      this.attachment?.service.databaseEntered(link.name).then(nothing, nothing);
  }

  /**
   * Has the streams of databases ended that would be in the way of a statement.
   * @returns what to call when it has ended; null: there is no cache thread. `left` is called unless the cache thread ends.
   */
  hold(hold: Omit<DatabaseHold, 'id'>, left: (isCancelled: boolean) => void): ((isGone: boolean) => void) | null {
    const { attachment } = this;
    if (attachment === null) return null;
    const id = ++this.holds;
    attachment.service.holdDatabase({ ...hold, id }).then(left, () => left(false));
    return (isGone) => void attachment.service.unholdDatabase(id, isGone).then(nothing, nothing);
  }

  /** `CacheService.lookOver`, also where it fails; null: there is no cache thread. */
  lookOver(name: string): Promise<void> | null {
    return this.attachment?.service.lookOver(name).then(nothing, nothing) ?? null;
  }

  /** A CancelRequest, which may be for a statement that is held for the cache thread: the origin knows nothing of that yet. */
  cancel(packet: Buffer): void {
    this.attachment?.service.cancelHold(packet.toString('hex')).then(nothing, nothing);
  }

  leave(link: DatabaseLink): void {
    if (link === this.first || --link.sessions > 0) return;
    link.lingering = setTimeout(() => this.close(link), this.lingerMs).unref();
  }

  private close(link: DatabaseLink): void {
    this.others.delete(link.name);
    link.cache = null;
    this.attachment?.service.closeDatabase(link.name).then(nothing, nothing);
  }

  attach(attachment: CacheAttachment): void {
    this.attachment = attachment;
    this.first.cache = new AttachedCache(attachment, this.control, this.first.hash, 0);
    for (const link of this.others.values()) this.open(link);
  }

  private open(link: DatabaseLink): void {
    const { attachment } = this;
    link.cache = null;
    if (attachment === null) return;
    const isCurrent = (): boolean => this.attachment === attachment && this.others.get(link.name) === link;
    attachment.service.openDatabase(link.name).then((slot) => {
      if (!isCurrent()) return;
      link.isRefused = slot === null;
      if (slot === null) {
        setTimeout(() => isCurrent() && link.cache === null && this.open(link), ASK_AGAIN_MS).unref();
        return;
      }
      link.cache = new AttachedCache(attachment, this.control, link.hash, slot);
      this.opened(link);
    }, nothing);
  }
}

/** The cache thread has ended; the next one will be asked. */
const nothing = (): void => undefined;
