/**
 * Random sequences of messages that the protocol allows. A sequence may fail in every way, but leaves the session outside of a transaction
 * and between two commands; settings and prepared statements stay for the next one, mostly.
 */
import type { Random } from '../random.ts';
import { withoutDangling } from './dangling.ts';
import type { Message, Value } from './message.ts';
import type { Profile } from './profile.ts';
import { withRollbacks } from './query-in-pipeline.ts';
import {
  controlTexts,
  ddlTexts,
  errorTexts,
  fixedKeyOf,
  keyOf,
  literal,
  oids,
  pick,
  plainTexts,
  portalNames,
  readTexts,
  settingTexts,
  starTexts,
  statementNames,
  type Text,
  textValue,
  writeTexts,
} from './texts.ts';

const INT4PL = 177;
const LENGTH_OF_TEXT = 1317;

const query = (sql: string): Message => ({ kind: 'query', sql });
const sync: Message = { kind: 'sync' };

export class Generator {
  private readonly random: Random;
  private readonly lane: number;
  /** Names of this session alone, so that a notification is its own and comes at a certain place. */
  private readonly channel: string;
  private readonly profile: Profile;
  private messages: Message[] = [];
  /** Texts last given to names, right or wrong: so that values mostly fit. */
  private readonly texts = new Map<string, Text>();
  private changedSettings = false;
  private mayBeInTransaction = false;

  constructor(random: Random, lane: number, session: number, profile: Profile) {
    this.random = random;
    this.lane = lane;
    this.channel = `n${lane}_${session}`;
    this.profile = profile;
  }

  next(): Message[] {
    this.messages = [];
    this.changedSettings = false;
    this.mayBeInTransaction = false;
    const steps = 1 + this.random.skewed(5);
    for (let i = 0; i < steps; i++) this.step();
    this.close();
    return withRollbacks(withoutDangling(this.messages));
  }

  private chance(share: number): boolean {
    return this.random.next() < share;
  }

  private say(...messages: readonly Message[]): void {
    this.messages.push(...messages);
  }

  /** Ends what is open, and takes back most settings. */
  private close(): void {
    if (this.isOpen()) this.say(sync);
    if (this.mayBeInTransaction) this.say(query('ROLLBACK'));
    if (this.changedSettings && this.chance(0.9)) {
      this.say(query('RESET ROLE'), query(pick(this.random, ['RESET ALL', 'DISCARD ALL'])));
    }
  }

  /** Whether messages of the extended protocol may wait for a Sync: after an error not even a Query ends that. */
  private isOpen(): boolean {
    const last = this.messages.findLast(({ kind }) => kind !== 'query' && kind !== 'call');
    return last !== undefined && last.kind !== 'sync';
  }

  // ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private step(): void {
    const { settings, odd, transactions, migrations = 0 } = this.profile;
    if (this.chance(migrations)) this.say(query(pick(this.random, ddlTexts(this.lane))));
    else if (this.chance(settings)) this.setting();
    else if (this.chance(odd)) this.oddStep();
    else if (this.chance(0.35)) this.say(query(literal(this.random, this.text())));
    else if (this.chance(transactions)) this.transaction();
    else this.statement(this.text());
  }

  private text(): Text {
    const { random, lane, profile } = this;
    if (profile.migrations !== undefined && this.chance(0.3)) return pick(random, starTexts(lane));
    if (this.chance(profile.writes)) return pick(random, writeTexts(lane));
    if (this.chance(profile.odd * 0.3)) return pick(random, errorTexts(lane));
    return pick(random, this.chance(profile.plain) ? plainTexts(lane) : readTexts(lane));
  }

  /** Under a name of its own: who reads by a name of the others begins no transaction. */
  private control(sql: string): void {
    if (this.chance(0.5)) this.say(query(sql));
    else this.statement({ sql, parameters: [] }, 'control');
  }

  private setting(): void {
    this.changedSettings = true;
    this.mayBeInTransaction = true;
    this.control(pick(this.random, settingTexts));
  }

  private transaction(): void {
    this.mayBeInTransaction = true;
    this.control('BEGIN');
    for (let i = 1 + this.random.below(3); i > 0; i--) this.statement(this.text());
    this.control(pick(this.random, ['COMMIT', 'COMMIT', 'ROLLBACK']));
  }

  private oddStep(): void {
    const { random } = this;
    this.mayBeInTransaction = true;
    const steps: (() => void)[] = [
      ...[() => this.fragments(), () => this.fragments(), () => this.fragments()],
      ...[() => this.many(), () => this.many()],
      () => this.say(query(pick(random, ['', ' ', ';;', '-- nothing', '/* nothing */ ;']))),
      () => this.say(query(this.several())),
      ...[1, 2].map(() => () => this.control(pick(random, controlTexts))),
      () => this.say(query(literal(random, pick(random, errorTexts(this.lane))))),
      () => this.sqlPrepared(),
      () => this.cursor(),
      () => this.notification(),
      () => this.copyIn(),
      () => this.call(),
      () => this.again(),
      () => this.say(sync),
      () => this.long(),
    ];
    pick(random, steps)();
  }

  private several(): string {
    const parts = Array.from({ length: 2 + this.random.below(3) }, () =>
      this.chance(0.2) ? pick(this.random, controlTexts) : literal(this.random, this.text()),
    );
    // A comment to the end of a line would swallow the next statement.
    return parts.join(';\n');
  }

  // ── the extended protocol ──────────────────────────────────────────────────────────────────────────────────────

  /** As a driver would: Parse unless it believes to have done so, Bind, Describe, Execute, Sync. */
  private statement(text: Text, fixedName?: string): void {
    const { random } = this;
    const name = fixedName ?? pick(random, statementNames);
    const portal = this.chance(0.9) ? '' : pick(random, portalNames);
    const style = random.below(4);
    const known = this.texts.get(name);
    const reuse = fixedName === undefined && name !== '' && known !== undefined && this.chance(0.85);
    if (!reuse) {
      if (name !== '' && known !== undefined) this.say({ kind: 'close', target: 'S', name });
      this.parse(name, text);
    }
    if (style === 0) {
      this.say({ kind: 'describe', target: 'S', name });
      if (this.chance(0.3)) this.say(pick(random, [sync, { kind: 'flush' }]));
    }
    this.bind(portal, name);
    if (style === 1 || style === 2) this.say({ kind: 'describe', target: 'P', name: portal });
    this.execute(portal);
    if (this.chance(0.05)) this.say({ kind: 'close', target: 'P', name: portal });
    if (this.chance(0.03)) this.say({ kind: 'flush' });
    if (this.chance(0.9)) this.say(sync);
  }

  /** Several statements up to one Sync. */
  private many(): void {
    for (let i = 2 + this.random.below(3); i > 0; i--) {
      this.statement(this.text());
      if (this.messages.at(-1) === sync && i > 1) this.messages.pop();
    }
  }

  /** The last statement bound anew, without Parse. */
  private again(): void {
    const name = pick(this.random, statementNames);
    for (let i = 1 + this.random.below(3); i > 0; i--) {
      this.bind('', name);
      this.execute('');
      this.say(sync);
    }
  }

  private fragments(): void {
    const { random } = this;
    for (let i = 1 + random.below(6); i > 0; i--) {
      const [name, portal] = [pick(random, statementNames), pick(random, portalNames)];
      const fragments: (() => void)[] = [
        () => this.parse(name, this.text()),
        () => this.bind(portal, name),
        () => this.bind(portal, this.chance(0.1) ? 'never parsed' : name),
        () => this.say({ kind: 'describe', target: 'S', name }),
        () => this.say({ kind: 'describe', target: 'P', name: this.chance(0.1) ? 'never bound' : portal }),
        () => this.execute(portal),
        () => this.execute(portal),
        () => this.say({ kind: 'close', target: 'S', name: this.chance(0.1) ? 'never parsed' : name }),
        () => this.say({ kind: 'close', target: 'P', name: portal }),
        () => this.say({ kind: 'flush' }),
        () => this.say(sync),
        () => this.say(query(literal(random, this.text()))),
      ];
      pick(random, fragments)();
    }
    if (this.chance(0.8)) this.say(sync);
  }

  private parse(name: string, text: Text): void {
    const { random } = this;
    this.texts.set(name, text);
    const types = this.chance(0.7)
      ? []
      : text.parameters.map((type) =>
          this.chance(0.2) ? 0 : this.chance(0.9) ? oids[type][0]! : pick(random, oids[type]),
        );
    this.say({ kind: 'parse', name, sql: text.sql, types });
  }

  private bind(portal: string, statement: string): void {
    const { random } = this;
    const text = this.texts.get(statement);
    const values: Value[] = (text?.parameters ?? []).map((type) => this.value(text!, type));
    if (this.chance(0.01)) values.push('1');
    const results = pick(random, [
      ...[[], [], []],
      ...[[0], [1], [1]],
      this.chance(0.1) ? [0, 1] : [],
      this.chance(0.05) ? [2] : [],
    ]);
    const isOdd = this.chance(0.01) && values.length > 0;
    const formats = isOdd ? { formats: values.map(() => random.below(3)) } : {};
    this.say({ kind: 'bind', portal, statement, values, results, ...formats });
  }

  private value({ sql }: Text, type: Text['parameters'][number]): Value {
    const { random } = this;
    if (this.chance(0.01)) return null;
    if (this.chance(0.01))
      return pick(random, ['nonsense', '', '99999999999999999999', 'a\0b', Buffer.from([1, 2, 3])]);
    const isFixed = sql.includes('fixed WHERE id');
    if (type === 'int' && this.chance(0.2)) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(isFixed ? fixedKeyOf(random) : keyOf(random));
      return bytes;
    }
    return isFixed ? String(fixedKeyOf(random)) : textValue(random, type);
  }

  private execute(portal: string): void {
    if (this.chance(0.92)) {
      this.say({ kind: 'execute', portal, rows: 0 });
      return;
    }
    for (let i = 1 + this.random.below(3); i > 0; i--) {
      this.say({ kind: 'execute', portal, rows: pick(this.random, [1, 2, 3, 100, 0, -1]) });
    }
  }

  // ── the rest of the protocol ───────────────────────────────────────────────────────────────────────────────────

  private sqlPrepared(): void {
    const { random } = this;
    const name = pick(random, ['s1', 's2', 's3']);
    const text = this.text();
    const values = text.parameters.map((type) => literal(random, { sql: '$1', parameters: [type] }));
    const list = values.length === 0 ? '' : `(${values.join(', ')})`;
    const statements = [`PREPARE ${name} AS ${text.sql}`, `EXECUTE ${name}${list}`, `DEALLOCATE ${name}`];
    const sql = pick(random, [...statements, `EXECUTE ${name}${list}`]);
    if (this.chance(0.8)) this.say(query(sql));
    else this.statement({ sql, parameters: [] });
  }

  private cursor(): void {
    const { random } = this;
    const read = literal(random, pick(random, readTexts(this.lane)));
    const hold = pick(random, ['', '', 'WITH HOLD ']);
    const steps = [`DECLARE p1 CURSOR ${hold}FOR ${read}`, 'FETCH 2 FROM p1', 'MOVE p1', 'CLOSE p1', 'CLOSE ALL'];
    if (this.chance(0.7)) this.say(query('BEGIN'), query(steps[0]!));
    for (let i = random.below(3); i > 0; i--) this.say(query(pick(random, steps)));
    if (this.chance(0.3)) this.execute('p1');
    if (hold !== '') this.say(...(this.isOpen() ? [sync] : []), query('ROLLBACK'), query('CLOSE ALL'));
  }

  private notification(): void {
    const { channel } = this;
    const texts = [
      `LISTEN ${channel}`,
      `NOTIFY ${channel}, 'hello'`,
      `SELECT pg_notify('${channel}', '1')`,
      'UNLISTEN *',
    ];
    const sql = pick(this.random, texts);
    if (this.chance(0.6)) this.say(query(sql));
    else this.statement({ sql, parameters: [] });
  }

  /** Whatever comes of the COPY, its end is sent: outside of COPY the server ignores such messages. */
  private copyIn(): void {
    const { random } = this;
    const table = pick(random, [`c${this.lane}`, `c${this.lane}`, `c${this.lane}`, 'missing']);
    const sql = `COPY ${table} (id, v) FROM STDIN`;
    if (this.chance(0.5)) {
      this.say(query(this.chance(0.8) ? sql : `SELECT 1; ${sql}; SELECT 2`));
    } else {
      const [name, portal] = pick(random, [
        ['', ''],
        ['copy', 'copy'],
        ['copy', ''],
      ] as const);
      if (name !== '') this.say({ kind: 'close', target: 'S', name });
      this.say(
        { kind: 'parse', name, sql, types: [] },
        { kind: 'bind', portal, statement: name, values: [], results: [] },
      );
      if (this.chance(0.3)) this.say({ kind: 'describe', target: 'P', name: portal });
      this.say({ kind: 'execute', portal, rows: 0 });
      if (this.chance(0.5)) this.say(pick(random, [sync, { kind: 'flush' }]));
    }
    for (let i = random.below(4); i > 0; i--) {
      const good = `${random.below(30)}\tx${i}\n`;
      this.say({
        kind: 'copyData',
        data: this.chance(0.9) ? good : pick(random, ['bad\n', '1\tforbidden\n', '\\.\n', '7\tcut']),
      });
    }
    this.say(this.chance(0.85) ? { kind: 'copyDone' } : { kind: 'copyFail', why: 'no more' });
    // Nobody shall begin a COPY later by binding to the unnamed statement.
    this.say(sync, { kind: 'close', target: 'S', name: '' });
    this.texts.delete('');
    if (this.chance(0.8)) this.say(sync);
    if (this.chance(0.5)) this.say(query(`DELETE FROM c${this.lane}`));
  }

  private call(): void {
    const int = (n: number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(n);
      return bytes;
    };
    const calls: readonly [number, Value[]][] = [
      [INT4PL, [int(1), int(2)]],
      [INT4PL, ['3', '4']],
      [INT4PL, [int(0x7fffffff), int(1)]],
      [INT4PL, [int(1)]],
      [INT4PL, [null, int(1)]],
      [LENGTH_OF_TEXT, ['hello']],
      [999999999, []],
    ];
    const [oid, values] = pick(this.random, calls);
    this.say({ kind: 'call', oid, values, result: this.random.below(2) });
  }

  /** Messages that are too long to be held, and batches that are. */
  private long(): void {
    if (this.chance(0.8)) return;
    const { random } = this;
    const filler = 'x'.repeat(30_000 + random.below(80_000));
    const text: Text = { sql: 'SELECT length($1)', parameters: ['text'] };
    const steps: (() => void)[] = [
      () => this.say(query(`SELECT length('${filler}')`)),
      () => this.parse('', { sql: `SELECT 1 /* ${filler} */`, parameters: [] }),
      () => {
        this.parse('', text);
        for (let i = 1 + random.below(4); i > 0; i--) {
          this.say({ kind: 'bind', portal: '', statement: '', values: [filler], results: [] });
          this.execute('');
        }
      },
      () => this.say(query(`SELECT id, repeat('y', ${filler.length}) FROM fixed WHERE id < 4 ORDER BY id`)),
      () => this.say(query(`SELECT 1; SELECT repeat('z', ${filler.length})::int; SELECT 2`)),
      () => {
        this.parse('', { sql: 'SELECT $1::int', parameters: ['text'] });
        this.say({ kind: 'bind', portal: '', statement: '', values: [filler], results: [] });
        this.execute('');
      },
    ];
    pick(random, steps)();
  }
}
