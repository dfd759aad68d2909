/** Runs lanes side by side until enough sequences were compared, or one differs: then looks for the smallest history that still does. */
import pg from 'pg';
import { run } from '../../support/postgres.ts';
import type { Random } from '../random.ts';
import { type Group, LaneGenerator, OUTSIDE, type Servers, Sessions, UNANSWERED } from './lane.ts';
import { type Message, print } from './message.ts';
import { minimise } from './minimise.ts';
import type { Profile } from './profile.ts';
import { withRollbacks } from './query-in-pipeline.ts';
import { laneAnew, laneRows } from './schema.ts';

export interface LaneOptions {
  readonly lane: number;
  readonly profile: Profile;
  readonly servers: Servers;
}

export interface Tally {
  sequences: number;
  messages: number;
}

export interface Failure {
  readonly options: LaneOptions;
  readonly history: readonly Group[];
  readonly what: string;
}

/** Until `enough`; null when nothing differed. */
export async function runLane(
  options: LaneOptions,
  random: Random,
  tally: Tally,
  enough: () => boolean,
): Promise<Failure | null> {
  const generator = new LaneGenerator(random, options.lane, options.profile);
  const sessions = await Sessions.open(options.servers);
  const history: Group[] = [];
  try {
    while (!enough()) {
      const group = generator.next();
      history.push(group);
      const what = await sessions.run(group);
      if (what !== null) return { options, history, what };
      tally.sequences += group.sequences.length;
      for (const { messages } of group.sequences) tally.messages += messages.length + 1;
    }
    return null;
  } finally {
    sessions.close();
  }
}

/** A step of a history, small enough to be left out. */
interface Piece {
  readonly group: number;
  readonly session: number;
  readonly cuts: readonly number[];
  readonly message: Message;
}

const TRIES = 3;

export class Minimiser {
  private readonly options: LaneOptions;
  private readonly endMs: number;
  private what = '';

  constructor(options: LaneOptions, budgetMs: number) {
    this.options = options;
    this.endMs = performance.now() + budgetMs;
  }

  /** The failure as somebody can read it. */
  async explain({ history, what }: Failure): Promise<string> {
    this.what = what;
    const mayGoOn = () => performance.now() < this.endMs;
    let groups: readonly Group[] = history;
    for (const last of [1, 2, 4, 16]) {
      const part = history.slice(-last);
      if (mayGoOn() && (await this.fails(part))) {
        groups = part;
        break;
      }
    }
    groups = await minimise(groups, (part) => this.fails(part), mayGoOn);
    const pieces = groups.flatMap(({ session, cuts, sequences }, group) =>
      sequences.flatMap(({ messages }) => messages.map((message): Piece => ({ group, session, cuts, message }))),
    );
    const least = await minimise(pieces, (part) => this.fails(grouped(part)), mayGoOn);
    const met = this.what === what ? '' : `\nmet as:\n${what}`;
    return `${printPieces(least)}\n${this.what}${met}`;
  }

  /** Several times from the same beginning: caches warm up, and threads meet differently. */
  private async fails(groups: readonly Group[]): Promise<boolean> {
    const { servers, lane, profile } = this.options;
    for (let i = 0; i < TRIES; i++) {
      const begin = profile.migrations === undefined ? laneRows(lane) : laneAnew(lane);
      await Promise.all([run(servers.direct, begin), run(servers.origin, begin)]);
      const sessions = await Sessions.open(servers, 4_000);
      try {
        for (const group of groups) {
          const what = await sessions.run(group);
          if (what === null) continue;
          if (what.startsWith(UNANSWERED)) break;
          this.what = what;
          return true;
        }
      } finally {
        sessions.close();
      }
    }
    return false;
  }
}

function grouped(pieces: readonly Piece[]): Group[] {
  const groups: { session: number; cuts: readonly number[]; group: number; messages: Message[] }[] = [];
  for (const { group, session, cuts, message } of pieces) {
    if (groups.at(-1)?.group !== group) groups.push({ group, session, cuts, messages: [] });
    groups.at(-1)!.messages.push(message);
  }
  return groups.map(({ session, cuts, messages }, number) => ({
    session,
    cuts,
    // Without them the least that fails might be PostgreSQL's own error, whatever failed before.
    sequences: [{ number, messages: withRollbacks(messages) }],
  }));
}

function printPieces(pieces: readonly Piece[]): string {
  let last = -1;
  return pieces
    .flatMap(({ group, session, message }) => {
      const head = group === last ? [] : [session === OUTSIDE ? '  meanwhile:' : `  session ${session}:`];
      last = group;
      return [...head, `    ${print(message)}`];
    })
    .join('\n');
}

/** The greatest oid that a database has, so that later ones can be told. */
export async function oidMaxOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return Number((await client.query('SELECT max(oid)::int8 AS oid FROM pg_class')).rows[0].oid);
  } finally {
    await client.end();
  }
}
