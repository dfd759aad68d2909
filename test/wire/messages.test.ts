import { PassThrough } from 'node:stream';
import { parse as parseBackend, serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import * as backend from '../../src/shared/wire/backend.ts';
import { TransactionStatus } from '../../src/shared/wire/codes.ts';
import * as frontend from '../../src/shared/wire/frontend.ts';

type BackendMessage = Parameters<Parameters<typeof parseBackend>[1]>[0];

/** What node-postgres's own parser makes of our bytes. */
async function readBack(bytes: Buffer): Promise<BackendMessage[]> {
  const stream = new PassThrough();
  const messages: BackendMessage[] = [];
  const done = parseBackend(stream, (message) => void messages.push(message));
  stream.end(bytes);
  await done;
  return messages;
}

/** The message in the middle of other bytes, so that a decoder that leaves its frame is noticed. */
function embed(message: Buffer): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.concat([Buffer.alloc(3, 0xaa), message, Buffer.alloc(9, 0xaa)]);
  return { bytes, start: 3, end: 3 + message.length };
}

describe('frontend messages', () => {
  it('reads a startup packet', () => {
    const { bytes, start, end } = embed(serialize.startup({ user: 'u', database: 'd', application_name: 'é' }));
    const startup = frontend.decodeStartup(bytes, start, end);
    if (startup.kind !== 'startup') throw new Error(startup.kind);
    const { client_encoding: _, ...parameters } = Object.fromEntries(startup.parameters);
    expect(parameters).toEqual({ user: 'u', database: 'd', application_name: 'é' });
  });

  it('tells the requests that may come before it', () => {
    const kind = (message: Buffer) => frontend.decodeStartup(message, 0, message.length).kind;
    expect(kind(serialize.requestSsl())).toBe('ssl');
    expect(kind(serialize.cancel(1, 2))).toBe('cancel');
    expect(kind(Buffer.from([0, 0, 0, 8, 4, 210, 22, 48]))).toBe('gssEncryption');
    expect(kind(Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0]))).toBe('unsupported');
    expect(kind(Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0]))).toBe('malformed');
  });

  it('reads Query, Parse, Bind, Describe, Close and Execute', () => {
    const text = { start: 0, end: 0 };
    const query = embed(serialize.query('SELECT 1'));
    expect(frontend.decodeQuery(query.bytes, query.start, query.end, text)).toBe(true);
    expect(query.bytes.toString('utf8', text.start, text.end)).toBe('SELECT 1');

    const parseView = { name: '', textStart: 0, textEnd: 0 };
    const parse = embed(serialize.parse({ name: 'n', text: 'SELECT $1, $2', types: [23, 20] }));
    expect(frontend.decodeParse(parse.bytes, parse.start, parse.end, parseView)).toBe(true);
    expect(parseView.name).toBe('n');
    expect(parse.bytes.toString('utf8', parseView.textStart, parseView.textEnd)).toBe('SELECT $1, $2');
    expect(frontend.parameterTypes(parse.bytes, parseView.textEnd + 1)).toEqual([23, 20]);

    const bindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
    const bind = embed(serialize.bind({ portal: 'p', statement: 's', values: ['v'], binary: true }));
    expect(frontend.decodeBind(bind.bytes, bind.start, bind.end, bindView)).toBe(true);
    expect(bindView).toMatchObject({ portal: 'p', statement: 's', tailEnd: bind.end });
    expect(bind.bytes.subarray(bindView.tailStart, bindView.tailEnd).toString('hex')).toBe(
      '0001000000010000000176' + '00010001',
    );

    const targetView = { isStatement: false, name: '' };
    for (const message of [
      serialize.describe({ type: 'S', name: 'abc' }),
      serialize.close({ type: 'S', name: 'abc' }),
    ]) {
      const { bytes, start, end } = embed(message);
      expect(frontend.decodeTarget(bytes, start, end, targetView)).toBe(true);
      expect(targetView).toEqual({ isStatement: true, name: 'abc' });
    }

    const executeView = { portal: '', rowsMax: 0 };
    const execute = embed(serialize.execute({ portal: 'p', rows: 7 }));
    expect(frontend.decodeExecute(execute.bytes, execute.start, execute.end, executeView)).toBe(true);
    expect(executeView).toEqual({ portal: 'p', rowsMax: 7 });
  });

  it('leaves messages alone that end too early, at every length', () => {
    const cases: [Buffer, (bytes: Buffer, start: number, end: number) => boolean][] = [
      [serialize.query('SELECT 1'), (b, s, e) => frontend.decodeQuery(b, s, e, { start: 0, end: 0 })],
      [
        serialize.parse({ name: 'n', text: 't', types: [23] }),
        (b, s, e) => frontend.decodeParse(b, s, e, { name: '', textStart: 0, textEnd: 0 }),
      ],
      [
        serialize.describe({ type: 'P', name: 'n' }),
        (b, s, e) => frontend.decodeTarget(b, s, e, { isStatement: false, name: '' }),
      ],
      [
        serialize.execute({ portal: 'p', rows: 0 }),
        (b, s, e) => frontend.decodeExecute(b, s, e, { portal: '', rowsMax: 0 }),
      ],
    ];
    for (const [message, decode] of cases) {
      for (let length = 5; length < message.length; length++) {
        const { bytes, start } = embed(message.subarray(0, length));
        expect(decode(bytes, start, start + length)).toBe(false);
      }
    }
  });
});

describe('backend messages', () => {
  it('writes errors that drivers read', async () => {
    const hint = 'try again';
    const sent = { severity: 'FATAL', sqlstate: '57P01', message: 'the end', hint } as const;
    const bytes = backend.encodeError(sent);
    expect((await readBack(bytes))[0]).toMatchObject({ severity: 'FATAL', code: '57P01', message: 'the end', hint });
    const fields = backend.decodeError(bytes, 0, bytes.length);
    expect(fields).toEqual({ severity: 'FATAL', sqlstate: '57P01', message: 'the end' });
    expect(backend.isFatal(fields)).toBe(true);
  });

  it('writes the other answers of ours so that drivers read them', async () => {
    const bytes = Buffer.concat([
      backend.PARSE_COMPLETE,
      backend.BIND_COMPLETE,
      backend.CLOSE_COMPLETE,
      backend.NO_DATA,
      backend.NO_PARAMETERS,
      backend.encodeTextColumns(['level']),
      backend.encodeTextRow(['strong']),
      backend.encodeCommandComplete('SHOW'),
      backend.encodeReady(TransactionStatus.idle),
    ]);
    const messages = await readBack(bytes);
    expect(messages.map(({ name }) => name)).toEqual([
      'parseComplete',
      'bindComplete',
      'closeComplete',
      'noData',
      'parameterDescription',
      'rowDescription',
      'dataRow',
      'commandComplete',
      'readyForQuery',
    ]);
    expect(messages[5]).toMatchObject({ fields: [{ name: 'level', dataTypeID: 25, format: 'text' }] });
    expect(messages[6]).toMatchObject({ fields: ['strong'] });
    expect(messages[8]).toMatchObject({ status: 'I' });
  });

  it('reads rows, NULLs included, and refuses rows that overrun', () => {
    const row = Buffer.from('44000000160002ffffffff000000086162636465666768', 'hex');
    expect(backend.decodeDataRow(row, 0, row.length)).toEqual([null, 'abcdefgh']);
    for (let end = 5; end < row.length; end++) expect(() => backend.decodeDataRow(row, 0, end)).toThrow('malformed');
  });
});
