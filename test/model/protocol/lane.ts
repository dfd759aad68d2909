/** A lane: two pairs of sessions (direct and through pgfresh) that take turns on the lane's own tables, group by group. */
import pg from 'pg';
import type { Random } from '../random.ts';
import { difference } from './compare.ts';
import { Generator } from './generator.ts';
import { type Answer, groupBytes, Link, type Sequence } from './link.ts';
import type { Message } from './message.ts';
import type { Profile } from './profile.ts';
import { ddlTexts, pick } from './texts.ts';

export interface Servers {
  readonly direct: string;
  readonly pgfresh: string;
  /** The database behind pgfresh. */
  readonly origin: string;
  /** Oids beyond it belong to objects that a session made. */
  readonly oidMax: number;
}

/** What one turn sends: replayable without the generator. */
export interface Group {
  readonly session: number;
  readonly sequences: readonly Sequence[];
  /** Where the bytes are split, 0…1 of their length. */
  readonly cuts: readonly number[];
}

export const SESSIONS = 2;

/** Somebody else does the same on both databases, which is not compared. */
export const OUTSIDE = -1;

interface Pair {
  readonly direct: Link;
  readonly pgfresh: Link;
}

export class Sessions {
  private readonly servers: Servers;
  private readonly pairs: Pair[];
  private readonly outside: readonly pg.Client[];

  private constructor(servers: Servers, pairs: Pair[], outside: readonly pg.Client[]) {
    this.servers = servers;
    this.pairs = pairs;
    this.outside = outside;
  }

  static async open(servers: Servers, hangMs?: number): Promise<Sessions> {
    const pairs = Array.from({ length: SESSIONS }, async () => ({
      direct: await Link.open(servers.direct, hangMs),
      pgfresh: await Link.open(servers.pgfresh, hangMs),
    }));
    const outside = [servers.direct, servers.pgfresh].map((connectionString) => new pg.Client({ connectionString }));
    await Promise.all(outside.map((client) => client.connect()));
    return new Sessions(servers, await Promise.all(pairs), outside);
  }

  /** Null, or how pgfresh differs. */
  async run({ session, sequences, cuts }: Group): Promise<string | null> {
    if (session === OUTSIDE) {
      for (const { messages } of sequences) for (const message of messages) await this.meanwhile(message);
      return null;
    }
    const pair = this.pairs[session]!;
    const bytes = groupBytes(sequences);
    const at = cuts.map((share) => Math.floor(share * bytes.length));
    const [direct, pgfresh] = await Promise.all([
      pair.direct.run(sequences, bytes, []),
      pair.pgfresh.run(sequences, bytes, at),
    ]);
    return compare(direct, pgfresh, this.servers.oidMax);
  }

  private async meanwhile(message: Message): Promise<void> {
    if (message.kind !== 'query') return;
    // Whether it fails depends on what was done before, as in any migration.
    await Promise.all(this.outside.map((client) => client.query(message.sql).catch(() => undefined)));
  }

  close(): void {
    for (const { direct, pgfresh } of this.pairs) {
      direct.close();
      pgfresh.close();
    }
    for (const client of this.outside) void client.end();
  }
}

/** The sequence does not lead to its end: the model is wrong, not pgfresh. */
export const UNANSWERED = 'the origin itself gave no answer';

function tailOf(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(-400).toString('latin1'));
}

function compare(direct: Answer, pgfresh: Answer, oidMax: number): string | null {
  const what = difference(direct.bytes, pgfresh.bytes, oidMax);
  const ends = direct.end === pgfresh.end ? '' : `direct ${direct.end}, pgfresh ${pgfresh.end}`;
  if (direct.end === 'hung') return `${UNANSWERED}; last ${tailOf(direct.bytes)}`;
  if (what === null && ends === '') return null;
  return [ends, what ?? ''].filter((part) => part !== '').join('; ');
}

export class LaneGenerator {
  private readonly random: Random;
  private readonly generators: Generator[];
  private readonly profile: Profile;
  private readonly lane: number;
  private number = 0;
  /** Steps left of a migration that has begun: a catalog that changes all the time is never known. */
  private altering = 0;
  /** Told again soon, so that what was a miss is a hit. */
  private readonly recent: Sequence['messages'][][] = Array.from({ length: SESSIONS }, () => []);

  constructor(random: Random, lane: number, profile: Profile) {
    this.random = random;
    this.profile = profile;
    this.lane = lane;
    this.generators = Array.from(
      { length: SESSIONS },
      (_, session) => new Generator(random.fork(session + 1), lane, session, profile),
    );
  }

  next(): Group {
    const { random } = this;
    const { single, migrations = 0 } = this.profile;
    if (migrations > 0 && this.altering === 0 && random.next() < migrations) this.altering = 1 + random.below(4);
    if (this.altering > 0 && random.next() < 0.3) {
      this.altering--;
      const messages: Message[] = [{ kind: 'query', sql: pick(random, ddlTexts(this.lane)) }];
      return { session: OUTSIDE, sequences: [{ number: this.number++, messages }], cuts: [] };
    }
    const session = random.below(SESSIONS);
    const count = random.next() < single ? 1 : 1 + random.below(8);
    const sequences = Array.from({ length: count }, () => this.sequence(session));
    const isCut = random.next() < 0.15;
    const cuts = Array.from({ length: isCut ? 1 + random.below(6) : 0 }, () => random.next()).sort((a, b) => a - b);
    return { session, sequences, cuts };
  }

  private sequence(session: number): Sequence {
    const { random } = this;
    const recent = this.recent[session]!;
    const again = recent.length > 0 && random.next() < 0.5;
    const messages = again ? recent[random.below(recent.length)]! : this.generators[session]!.next();
    if (!again) recent.push(messages);
    if (recent.length > 12) recent.splice(random.below(8), 1);
    return { number: this.number++, messages };
  }
}
