/** The checker at work: many sessions on contended keys, through pgfresh and beside it, until enough reads are judged. */
import { setTimeout as delay } from 'node:timers/promises';
import { History, type Level } from './history.ts';
import { seededRandom } from './random.ts';
import { keyCount, readForms } from './schema.ts';
import { CheckedSession, connectBinary, connectPg, connectPostgresJs, type Rows } from './session.ts';

export interface WorkloadOptions {
  readonly pgfreshUrl: string;
  readonly originUrl: string;
  readonly seed: number;
  readonly level: Level;
  /** Sessions take these levels in turn (`SET pgfresh.consistency`), instead of `level`. */
  readonly levels?: readonly Level[];
  /** Answers to judge before writing stops; Infinity: until `finish`. */
  readonly reads: number;
  /** One statement at a time each. */
  readonly sessions: number;
  /** Several statements in flight each. */
  readonly pipelinedSessions: number;
  readonly directWriters: number;
  /** Share of a session's steps that write. */
  readonly writeShare: number;
  readonly directWritePauseMs: number;
  readonly maxStalenessMs: number;
  /** Whether a lost connection is replaced (counted in `reconnects`) instead of failing the workload. */
  readonly reconnect?: boolean;
}

export interface Workload {
  readonly history: History;
  /** What clients were told that direct PostgreSQL would not have told them. */
  readonly errors: string[];
  readonly reconnects: number;
  readonly writes: number;
  /** Resolves when the reads are judged and all sessions are at rest; they stay connected for `converge`. */
  readonly done: Promise<void>;
  /** Waits until that many answers are judged. */
  reached(answers: number): Promise<void>;
  /** Lets reading and writing end. */
  finish(): void;
  /** Once writing has stopped and the staleness bound has passed: every read in every form equals the origin's. */
  converge(): Promise<{ readonly differences: string[]; readonly compared: number }>;
  close(): Promise<void>;
}

/** The freshness clock is published in whole milliseconds, and a timer may fire one early. */
const slackMs = 2;
const pipelineDepth = 6;
/** One session in so many takes its answers in binary form. */
const binaryEvery = 5;
/** Share of a session's steps that are transactions. */
const transactionShare = 0.05;

interface Seat {
  session: CheckedSession;
  readonly pipelined: boolean;
  readonly reopen: () => Promise<CheckedSession>;
}

export async function startWorkload(options: WorkloadOptions): Promise<Workload> {
  const history = new History({
    keys: keyCount,
    level: options.level,
    maxStalenessMs: options.maxStalenessMs,
    slackMs,
    nowMs: () => performance.now(),
  });
  const random = seededRandom(options.seed);
  const errors: string[] = [];
  let [sessionsMade, reconnects, writes] = [0, 0, 0];

  async function seat(route: 'pgfresh' | 'origin', pipelined: boolean, number: number): Promise<Seat> {
    const url = route === 'pgfresh' ? options.pgfreshUrl : options.originUrl;
    const open = async () => {
      const connect = pipelined ? connectPostgresJs : number % binaryEvery === 1 ? connectBinary : connectPg;
      const connection = await connect(url);
      const id = ++sessionsMade;
      const own = route === 'pgfresh' ? options.levels?.[number % options.levels.length] : undefined;
      if (own !== undefined) {
        await connection.write([`SET pgfresh.consistency = ${own}`]);
        history.setLevel(id, own);
      }
      return new CheckedSession(id, route, connection, history, random.fork(id));
    };
    return { session: await open(), pipelined, reopen: open };
  }

  const seats: Seat[] = [];
  for (let i = 0; i < options.sessions + options.pipelinedSessions; i++) {
    seats.push(await seat('pgfresh', i >= options.sessions, i));
  }
  const direct: Seat[] = [];
  for (let i = 0; i < options.directWriters; i++) direct.push(await seat('origin', false, i));
  let [writing, finished] = [true, false];
  const enough = () => finished || history.answersChecked >= options.reads || errors.length > 0;

  async function step({ session, pipelined }: Seat): Promise<void> {
    if (session.chance(options.writeShare)) {
      await session.writeSomething();
      writes++;
    }
    if (!pipelined && session.chance(transactionShare)) {
      const writesToo = session.chance(options.writeShare * 5);
      await session.transaction(writesToo);
      if (writesToo) writes++;
    } else if (pipelined) {
      await Promise.all(Array.from({ length: pipelineDepth }, () => session.readSomething()));
    } else {
      await session.readSomething();
    }
  }

  /** A new connection in the place of a lost one; the proxy may refuse a few while it replaces a worker. */
  async function replace(seat: Seat): Promise<void> {
    await seat.session.close().catch(() => undefined);
    for (let attempt = 1; ; attempt++) {
      try {
        seat.session = await seat.reopen();
        return;
      } catch (error) {
        if (attempt === 50) throw error;
        await delay(100);
      }
    }
  }

  /** Runs until `ended`; a failure is an error of the workload, or a reconnection where those are expected. */
  async function drive(seat: Seat, act: (seat: Seat) => Promise<void>, ended: () => boolean): Promise<void> {
    while (!ended()) {
      try {
        await act(seat);
      } catch (error) {
        if (!options.reconnect) {
          errors.push(`session ${seat.session.id}: ${error instanceof Error ? error.message : String(error)}`);
          return;
        }
        reconnects++;
        await replace(seat);
      }
    }
  }

  async function writeDirectly({ session }: Seat): Promise<void> {
    await session.writeSomething();
    writes++;
    await delay(options.directWritePauseMs);
  }

  const directDone = Promise.all(direct.map((writer) => drive(writer, writeDirectly, () => !writing)));
  const done = Promise.all(seats.map((reader) => drive(reader, step, enough))).then(async () => {
    writing = false;
    await directDone;
  });

  return {
    history,
    errors,
    get reconnects() {
      return reconnects;
    },
    get writes() {
      return writes;
    },
    done,
    async reached(answers) {
      while (history.answersChecked < answers && !enough()) await delay(10);
    },
    async converge() {
      await done;
      await delay(options.maxStalenessMs + slackMs);
      return compareWithOrigin(seats, direct[0]!.session);
    },
    finish() {
      finished = true;
    },
    async close() {
      finished = true;
      await done.catch(() => undefined);
      await Promise.all([...seats, ...direct].map((each) => each.session.close()));
    },
  };
}

async function compareWithOrigin(
  seats: readonly Seat[],
  origin: CheckedSession,
): Promise<{ differences: string[]; compared: number }> {
  const differences: string[] = [];
  let compared = 0;
  const text = (rows: Rows) => rows.map((row) => row.join(',')).join(';');
  for (const form of readForms) {
    for (let parameter = 0; parameter < form.parameters; parameter++) {
      const expected = text(await origin.read(form, parameter, 'extended'));
      await Promise.all(
        seats.map(async ({ session }) => {
          const protocol = session.protocol();
          const seen = text(await session.read(form, parameter, protocol));
          compared++;
          if (seen !== expected) differences.push(`${form.name}(${parameter}), ${protocol}: ${seen} ≠ ${expected}`);
        }),
      );
    }
  }
  return { differences, compared };
}
