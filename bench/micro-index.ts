/**
 * The dependency index alone: memory per entry, and the cost of filing, probing and forgetting one, by number of entries. A probe must not
 * cost more with a million entries than with a thousand. Run: node bench/micro-index.ts
 */
import { DependencyIndex } from '../src/cache/dependency-index.ts';
import type { RowView } from '../src/cache/row-view.ts';

const RELATION = 20_000;
const PROBES = 200_000;

function dependenciesOf(i: number) {
  const id = { column: 'id', values: [String(i)] };
  // Half of the entries compare the key alone, half a tenant as well (filed twice: by both, and by the key).
  const terms = i % 2 === 0 ? [id] : [id, { column: 'tenant', values: [`tenant-${i % 100}`] }];
  return [{ relation: RELATION, terms }];
}

const newRow = (value: RowView['value']): RowView => ({ isOld: false, value, touches: () => true });

/** CPU time of the process, not time on the wall: other work on the machine does not count. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};
const nsEach = (startMs: number, count: number): number => Math.round(((cpuMs() - startMs) / count) * 1e6);

function measure(entries: number): void {
  const index = new DependencyIndex(() => ['id']);
  let startMs = cpuMs();
  for (let i = 1; i <= entries; i++) index.add(i, dependenciesOf(i));
  const addNs = nsEach(startMs, entries);
  const found = new Set<number>();
  let id = '';
  let tenant: string | undefined;
  const row = newRow((column) => (column === 'id' ? id : tenant));
  const probe = (tenantKnown: boolean): number => {
    startMs = cpuMs();
    for (let i = 0; i < PROBES; i++) {
      const at = 1 + ((Math.imul(i, 7919) >>> 0) % (entries * 2)); // half of them match nothing
      id = String(at);
      tenant = tenantKnown ? `tenant-${at % 100}` : undefined;
      index.match(RELATION, row, found);
      found.clear();
    }
    return nsEach(startMs, PROBES);
  };
  probe(true);
  const wholeNs = probe(true);
  const keyNs = probe(false);
  const bytesEach = Math.round(index.bytes / entries);
  startMs = cpuMs();
  for (let i = 1; i <= entries; i++) index.remove(i);
  const removeNs = nsEach(startMs, entries);
  process.stdout.write(
    `${String(entries).padStart(9)} entries: ${bytesEach} B each, add ${addNs} ns, probe whole row ${wholeNs} ns, ` +
      `probe key-only row ${keyNs} ns, remove ${removeNs} ns\n`,
  );
}

/** Entries that compare the key with an interval of up to 100 values: about 25 hold a point, whatever the number of entries. */
function measureRanges(entries: number): void {
  const index = new DependencyIndex(() => ['id']);
  let startMs = cpuMs();
  for (let i = 1; i <= entries; i++) {
    const low = BigInt((Math.imul(i, 7919) >>> 0) % (entries * 2));
    const range = { column: 'id', type: 'int8' as const, low, high: low + BigInt(i % 100) };
    index.add(i, [{ relation: RELATION, terms: [], range }]);
  }
  const addNs = nsEach(startMs, entries);
  const found = new Set<number>();
  let id = '';
  let matches = 0;
  const row = newRow(() => id);
  startMs = cpuMs();
  for (let i = 0; i < PROBES; i++) {
    id = String((Math.imul(i, 104_729) >>> 0) % (entries * 2));
    index.match(RELATION, row, found);
    matches += found.size;
    found.clear();
  }
  const probeNs = nsEach(startMs, PROBES);
  const bytesEach = Math.round(index.bytes / entries);
  startMs = cpuMs();
  for (let i = 1; i <= entries; i++) index.remove(i);
  const removeNs = nsEach(startMs, entries);
  process.stdout.write(
    `${String(entries).padStart(9)} intervals: ${bytesEach} B each, add ${addNs} ns, probe ${probeNs} ns for ` +
      `${(matches / PROBES).toFixed(1)} matches, remove ${removeNs} ns\n`,
  );
}

// Once for the compiler.
measure(50_000);
for (const entries of [1_000, 100_000, 1_000_000]) measure(entries);
measureRanges(50_000);
for (const entries of [1_000, 100_000, 1_000_000]) measureRanges(entries);
