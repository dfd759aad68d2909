/** A lane: two pairs of sessions (direct and through pgfresh) that take turns on the lane's own tables, group by group. */
import type { Random } from '../random.ts';
import { difference } from './compare.ts';
import { Generator } from './generator.ts';
import { type Answer, groupBytes, Link, type Sequence } from './link.ts';
import type { Profile } from './profile.ts';

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

interface Pair {
  readonly direct: Link;
  readonly pgfresh: Link;
}

export class Sessions {
  private readonly servers: Servers;
  private readonly pairs: Pair[];

  private constructor(servers: Servers, pairs: Pair[]) {
    this.servers = servers;
    this.pairs = pairs;
  }

  static async open(servers: Servers, hangMs?: number): Promise<Sessions> {
    const pairs = Array.from({ length: SESSIONS }, async () => ({
      direct: await Link.open(servers.direct, hangMs),
      pgfresh: await Link.open(servers.pgfresh, hangMs),
    }));
    return new Sessions(servers, await Promise.all(pairs));
  }

  /** Null, or how pgfresh differs. */
  async run({ session, sequences, cuts }: Group): Promise<string | null> {
    const pair = this.pairs[session]!;
    const bytes = groupBytes(sequences);
    const at = cuts.map((share) => Math.floor(share * bytes.length));
    const [direct, pgfresh] = await Promise.all([
      pair.direct.run(sequences, bytes, []),
      pair.pgfresh.run(sequences, bytes, at),
    ]);
    return compare(direct, pgfresh, this.servers.oidMax);
  }

  close(): void {
    for (const { direct, pgfresh } of this.pairs) {
      direct.close();
      pgfresh.close();
    }
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
  private readonly single: number;
  private number = 0;
  /** Told again soon, so that what was a miss is a hit. */
  private readonly recent: Sequence['messages'][][] = Array.from({ length: SESSIONS }, () => []);

  constructor(random: Random, lane: number, profile: Profile) {
    this.random = random;
    this.single = profile.single;
    this.generators = Array.from(
      { length: SESSIONS },
      (_, session) => new Generator(random.fork(session + 1), lane, session, profile),
    );
  }

  next(): Group {
    const { random } = this;
    const session = random.below(SESSIONS);
    const count = random.next() < this.single ? 1 : 1 + random.below(8);
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
