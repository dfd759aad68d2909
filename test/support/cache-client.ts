/** A cache thread of its own for a test, and a stand-in for a worker that speaks with it as workers do. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import pg from 'pg';
import type { SettingKey } from '../../src/proxy/settings.ts';
import { spawnThread, type Thread, threadFile, transfer } from '../../src/proxy/thread.ts';
import {
  addSessions,
  type ControlWords,
  createControl,
  openControl,
  wantRound,
} from '../../src/shared/memory/control.ts';
import { StoreReader } from '../../src/shared/memory/index-reader.ts';
import { Control, StoreState } from '../../src/shared/memory/layout.ts';
import type {
  CacheControl,
  CacheService,
  ContextAnswer,
  ContextRow,
  FillToken,
  Offer,
  Verdict,
} from '../../src/shared/messages.ts';
import { extendHash, HASH_SEED, keyHash, simplePrefix } from '../../src/shared/query-key.ts';
import { testConfig } from './test-config.ts';
import { waitFor } from './wait.ts';

let nodes = 0;
const prefixHash = (prefix: Uint8Array): number => extendHash(HASH_SEED, prefix, 0, prefix.length);

export class CacheClient {
  readonly thread: Thread<CacheControl>;
  readonly control: ControlWords;
  readonly reader: StoreReader;
  /** The session's connection to the origin, everything as text. */
  readonly session: pg.Client;
  readonly #service: Remote<CacheService>;
  readonly #offers: MessagePort;
  readonly #generation: number;
  readonly #database: string;
  #ports: MessagePort[];

  private constructor(
    thread: Thread<CacheControl>,
    control: ControlWords,
    store: SharedArrayBuffer,
    session: pg.Client,
    ports: { service: MessagePort; offers: MessagePort },
    generation: number,
    database: string,
  ) {
    this.thread = thread;
    this.control = control;
    this.reader = new StoreReader(store);
    this.session = session;
    this.#service = wrap<CacheService>(nodeEndpoint(ports.service));
    this.#offers = ports.offers;
    this.#generation = generation;
    this.#database = database;
    this.#ports = [ports.service, ports.offers];
  }

  /** Starts a cache thread in front of the database and connects to it as its first worker. */
  static async start(url: string, flags: Partial<Record<SettingKey, string>> = {}): Promise<CacheClient> {
    const config = testConfig({ upstream: url, 'cache.memory': '8MB', 'log.level': 'silent', ...flags });
    const thread = await spawnThread<CacheControl>({
      name: 'cache',
      file: threadFile('cache'),
      startTimeoutMs: 60_000,
      faults: config.faults.includes('admin'),
    });
    const control = createControl();
    const generation = 7;
    const nodeName = `test_${process.pid}_${++nodes}`;
    const store = await thread.calls.start({ generation, config, control, nodeName });
    const session = new pg.Client({
      connectionString: url,
      types: { getTypeParser: () => (value: unknown) => value },
    } as pg.ClientConfig);
    session.on('error', () => undefined);
    await session.connect();
    const service = new MessageChannel();
    const offers = new MessageChannel();
    await thread.calls.connectWorker(
      0,
      transfer(service.port1, [service.port1]),
      transfer(offers.port1, [offers.port1]),
    );
    const ports = { service: service.port2, offers: offers.port2 };
    const words = openControl(control);
    addSessions(words, 1);
    return new CacheClient(thread, words, store, session, ports, generation, config.upstream.database);
  }

  get isLive(): boolean {
    return this.reader.state() === StoreState.live;
  }

  async live(): Promise<void> {
    await waitFor('the cache to be live', () => this.isLive, 30_000);
  }

  /** Asks the origin who the session is, and the cache thread what that means. */
  async context(database = this.#database): Promise<ContextAnswer> {
    return this.intern(await this.contextRow(database), database);
  }

  async contextRow(database = this.#database): Promise<ContextRow> {
    const query = (await this.#service.contextQuery(database))!;
    const { rows } = await this.session.query<string[]>({ text: query.sql, rowMode: 'array' });
    return rows[0]!.slice(2);
  }

  intern(row: ContextRow, database = this.#database): Promise<ContextAnswer> {
    return this.#service.internContext(database, row);
  }

  async verdict(contextId: number, text: string): Promise<Verdict> {
    return this.#service.analyse({ contextId, text, parameterTypes: [], protocol: 'simple' });
  }

  token(): FillToken {
    return {
      generation: this.#generation,
      streamEpoch: this.reader.streamEpoch(),
      settleStamp: this.reader.settleStamp(),
      catalogVersion: this.reader.catalogVersion(),
    };
  }

  /** Offers `answer` as what the origin said, under a token of before. */
  offer(contextId: number, text: string, token: FillToken, answer: string): void {
    const prefix = simplePrefix(contextId);
    const tail = Buffer.from(text);
    const offer: Offer = {
      verdictId: 0,
      shape: 0,
      contextId,
      token,
      hash: keyHash(prefixHash(prefix), tail, 0, tail.length),
      keyBytes: prefix.length + tail.length,
      rowDescriptionBytes: 0,
      isRefresh: false,
      costMs: 0,
      filledRound: 1,
      bytes: new Uint8Array(Buffer.concat([prefix, tail, Buffer.from(answer)])),
    };
    this.#offers.postMessage([offer], [offer.bytes.buffer]);
  }

  /** Reads from the origin as a miss does, and offers the answer. */
  async fill(contextId: number, text: string): Promise<string> {
    const token = this.token();
    const { rows } = await this.session.query({ text, rowMode: 'array' });
    const answer = JSON.stringify(rows);
    this.offer(contextId, text, token, answer);
    return answer;
  }

  /** What the store answers, whatever its freshness; null for a miss. */
  find(contextId: number, text: string): string | null {
    if (!this.isLive) return null;
    const prefix = simplePrefix(contextId);
    const tail = Buffer.from(text);
    const block = this.reader.find(keyHash(prefixHash(prefix), tail, 0, tail.length), prefix, tail, 0, tail.length);
    if (block === 0) return null;
    const frames = Buffer.alloc(this.reader.framesBytes(block));
    return frames.subarray(0, this.reader.copyFrames(block, frames, 0, true)).toString();
  }

  /** Fills again and again until the answer is in the store: the table may have to be published first. */
  async cache(contextId: number, text: string): Promise<string> {
    await waitFor(
      `an entry for ${text}`,
      async () => {
        if (this.find(contextId, text) !== null) return true;
        await this.fill(contextId, text);
        return this.find(contextId, text) !== null;
      },
      20_000,
    );
    return this.find(contextId, text)!;
  }

  /** Waits for a round that begins after now, as a worker does that has acknowledged a write. */
  async nextRound(): Promise<void> {
    const round = Atomics.load(this.control, Control.STARTED_ROUND) + 1;
    if (wantRound(this.reader.words, 0, round)) this.#offers.postMessage([]);
    await waitFor(`round ${round}`, () => this.reader.freshRound() >= round);
  }

  /** Ends the thread after it has removed what it made on the origin. */
  async stop(): Promise<void> {
    await this.session.end();
    await this.thread.calls.stop();
    await this.kill();
  }

  async kill(): Promise<void> {
    await this.thread.terminate();
    for (const port of this.#ports.splice(0)) port.close();
  }
}
