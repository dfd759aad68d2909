import { describe, expect, it } from 'vitest';
import type { ContextRegistry } from '../../src/cache/context.ts';
import { builtinFingerprintSql, objectsFingerprintSql } from '../../src/cache/fingerprint.ts';
import type { CatalogModel } from '../../src/cache/model.ts';
import { parseSnapshot } from '../../src/cache/settle.ts';
import { SnapshotHistory } from '../../src/cache/snapshot-history.ts';
import { SharedAnswers } from '../../src/cache/tier2/shared-answers.ts';
import type { Offer } from '../../src/shared/messages.ts';
import { simplePrefix } from '../../src/shared/query-key.ts';
import type { Reason } from '../../src/shared/reasons.ts';

const answer = Buffer.from([0x43, 0, 0, 0, 6, 0x41, 0]);
const parts = (count: number): string => Array(count).fill('1').join(':');
const partsOf = (sql: string): number => sql.split('bit_xor(').length - 1;
const catalogParts = { objects: partsOf(objectsFingerprintSql), builtin: partsOf(builtinFingerprintSql) };

/** What lies in Redis, for all nodes of a test. */
class Shelf {
  readonly bytes = new Map<string, Buffer>();
  readonly write = (address: string, bytes: Buffer): void => void this.bytes.set(address, bytes);
  read = async (address: string): Promise<Buffer | null> => this.bytes.get(address) ?? null;
}

interface NodeOptions {
  readonly contextId?: number;
  readonly identity?: string;
  readonly era?: string | null;
  readonly catalogSnapshot?: string;
  readonly views?: string;
  readonly refused?: Reason;
}

function node(shelf: Shelf, options: NodeOptions = {}) {
  const { contextId = 32, identity = 'role and settings', catalogSnapshot = '5:5:', views = '7' } = options;
  const history = new SnapshotHistory();
  const offers: Offer[] = [];
  const objects = [parts(catalogParts.objects - 1), views].join(':');
  const model = {
    catalog: { fingerprint: `${objects}/${parts(catalogParts.builtin)}/`, snapshot: parseSnapshot(catalogSnapshot) },
    contexts: { identityOf: (id: number) => (id === contextId ? identity : undefined) } as unknown as ContextRegistry,
  } as CatalogModel;
  const current = { model: model as CatalogModel | null };
  const shared = new SharedAnswers({
    remote: shelf,
    costMsMin: 5,
    history,
    era: () => (options.era === undefined ? 'era' : options.era),
    model: () => current.model,
    tokenOf: (settleStamp) => ({ generation: 1, streamEpoch: 1, settleStamp, catalogVersion: 1 }),
    nextRound: () => 17,
    admit: (offer) => {
      offers.push(offer);
      return options.refused ?? null;
    },
    faults: [],
  });
  const key = (text: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(Buffer.concat([simplePrefix(contextId), Buffer.from(text)]));
  return {
    ...{ shared, history, offers, current, key },
    leave(text: string, settleStamp: number, costMs = 10): void {
      const head = key(text);
      shared.admitted({
        ...{
          verdictId: 1,
          shape: 3,
          contextId,
          hash: 1,
          keyBytes: head.length,
          rowDescriptionBytes: 0,
          filledRound: 1,
        },
        ...{ isRefresh: false, costMs, bytes: new Uint8Array(Buffer.concat([head, answer])) },
        token: { generation: 1, streamEpoch: 1, settleStamp, catalogVersion: 1 },
      });
    },
    fetch: (text: string) => shared.fetch({ contextId, shape: 4, hash: 99, key: key(text) }),
  };
}

/** A node that has left the answer to SELECT 1, and the shelf. */
function one() {
  const shelf = new Shelf();
  const first = node(shelf);
  first.history.add(parseSnapshot('10:10:'), 5);
  first.leave('SELECT 1', 6);
  return { shelf, first };
}

describe('an answer that is dear', () => {
  it('is taken by another node as its own, with the stamp that the snapshot has there', async () => {
    const { shelf } = one();
    const other = node(shelf, { contextId: 64 });
    other.history.add(parseSnapshot('9:9:'), 100);
    other.history.add(parseSnapshot('11:11:'), 200);
    expect(await other.fetch('SELECT 1')).toBe(17);
    const [offer] = other.offers;
    expect(offer).toMatchObject({ contextId: 64, shape: 4, hash: 99, filledRound: 17, isAwaited: true, costMs: 0 });
    expect(offer!.token.settleStamp).toBe(100);
    expect(Buffer.from(offer!.bytes)).toEqual(Buffer.concat([other.key('SELECT 1'), answer]));
    expect([other.shared.taken, other.shared.refused]).toEqual([1, 0]);
  });

  it('is not left there when it was cheap, or when nothing is known of its snapshot any more', () => {
    const shelf = new Shelf();
    const first = node(shelf);
    first.leave('SELECT 1', 6);
    first.history.add(parseSnapshot('10:10:'), 5);
    first.leave('SELECT 1', 6, 4.9);
    first.leave('SELECT 1', 4);
    expect(shelf.bytes.size).toBe(0);
    first.leave('SELECT 1', 5);
    expect(shelf.bytes.size).toBe(1);
  });

  it.each<[string, NodeOptions]>([
    ['of another context', { identity: 'another role' }],
    ['of another era', { era: 'after the crash' }],
    ['while there is no stream', { era: null }],
  ])('is not found by sessions %s', async (_, options) => {
    const other = node(one().shelf, options);
    other.history.add(parseSnapshot('9:9:'), 100);
    expect(await other.fetch('SELECT 1')).toBe(0);
    expect(other.offers).toEqual([]);
  });

  it('is found by a node that has seen another REFRESH of a materialized view', async () => {
    // The part of materialized views is the last one.
    const other = node(one().shelf, { views: '8' });
    other.history.add(parseSnapshot('9:9:'), 100);
    expect(await other.fetch('SELECT 1')).toBe(17);
  });

  it('is refused where it is older than the catalog, or than all that is known', async () => {
    const { shelf } = one();
    const other = node(shelf, { catalogSnapshot: '11:11:' });
    other.history.add(parseSnapshot('9:9:'), 100);
    expect(await other.fetch('SELECT 1')).toBe(0);
    const late = node(shelf);
    late.history.add(parseSnapshot('11:11:'), 100);
    expect(await late.fetch('SELECT 1')).toBe(0);
    expect([other.shared.refused, late.shared.refused]).toEqual([1, 1]);
    expect([...other.offers, ...late.offers]).toEqual([]);
  });

  it('is refused where the catalog changed while it was read', async () => {
    const { shelf } = one();
    const other = node(shelf);
    other.history.add(parseSnapshot('9:9:'), 100);
    const { read } = shelf;
    shelf.read = async (address) => {
      other.current.model = null;
      return read(address);
    };
    expect(await other.fetch('SELECT 1')).toBe(0);
    expect(other.offers).toEqual([]);
  });

  it('is refused where admission refuses it, but not for being there', async () => {
    const { shelf } = one();
    const changed = node(shelf, { refused: 'fill.changed' });
    changed.history.add(parseSnapshot('9:9:'), 100);
    expect(await changed.fetch('SELECT 1')).toBe(0);
    const stored = node(shelf, { refused: 'fill.stored' });
    stored.history.add(parseSnapshot('9:9:'), 100);
    expect(await stored.fetch('SELECT 1')).toBe(17);
  });

  it('is not taken for the answer to another key, wherever it lies', async () => {
    const { shelf, first } = one();
    const [address] = shelf.bytes.keys();
    first.leave('SELECT 2', 6);
    const [, stranger] = [...shelf.bytes.keys()];
    shelf.bytes.set(stranger!, shelf.bytes.get(address!)!);
    expect(await first.fetch('SELECT 2')).toBe(0);
    expect(await first.fetch('SELECT 1')).toBe(17);
    expect(first.offers).toHaveLength(1);
  });
});
