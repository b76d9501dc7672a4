// Measures the stores; prints one JSON line per case.
// npm run bench:store [-- --rollouts 500 --queued 100000 --claims 20000 --folder DIR --store memory|sqlite|postgres]
// PostgreSQL is a server of its own, or the one that POSTGRES_URL names.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MemoryStore } from '@agent-lightning/store';
import type { LightningStore } from '@agent-lightning/core';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import { measureClaims } from './claim-latency.ts';
import { measureNaiveWriter } from './naive-writer.ts';
import { measureRolloutLife } from './rollout-life.ts';

const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '500' },
    queued: { type: 'string', default: '100000' },
    claims: { type: 'string', default: '20000' },
    folder: { type: 'string', default: tmpdir() },
    store: { type: 'string', default: '' },
  },
});
const rollouts = Number(values.rollouts);
const queued = Number(values.queued);
const claims = Math.min(queued, Number(values.claims));
const folder = mkdtempSync(join(values.folder, 'bench-store-'));
let places = 0;
let server: PostgresServer | undefined;

const stores: readonly [string, () => Promise<LightningStore>][] = [
  ['memory', async () => new MemoryStore()],
  ['sqlite full', () => openSqliteStore({ path: nextPath(), durability: 'full' })],
  ['sqlite normal', () => openSqliteStore({ path: nextPath(), durability: 'normal' })],
  ['postgres', openPostgres],
];

try {
  print({ case: 'machine', node: process.version, cpus: cpus().length, model: cpus()[0]?.model.trim() });
  const naive = {
    full: measureNaiveWriter(nextPath(), 'full', Math.min(rollouts, 200)),
    normal: measureNaiveWriter(nextPath(), 'normal', Math.min(rollouts, 200)),
  };
  for (const [durability, result] of Object.entries(naive))
    print({ case: 'whole life, naive writer', store: `sqlite ${durability}`, ...result });
  for (const [name, open] of stores.filter(([name]) => name.startsWith(values.store))) {
    for (const spansPerCall of [10, 1]) {
      const result = await withStore(open, (store) =>
        measureRolloutLife(store, { rollouts, concurrency: 32, spansPerCall }),
      );
      const base = name.startsWith('sqlite ') ? naive[name.slice('sqlite '.length) as keyof typeof naive] : undefined;
      const ratio =
        base === undefined
          ? {}
          : { timesNaive: Math.round((10 * result.rolloutsPerSecond) / base.rolloutsPerSecond) / 10 };
      print({ case: 'whole life', store: name, concurrency: 32, spansPerCall, ...result, ...ratio });
    }
    const latency = await withStore(open, (store) => measureClaims(store, { queued, workers: 64, claims }));
    print({ case: 'claim', store: name, workers: 64, queued, claims, ...latency });
  }
} finally {
  await server?.stop();
  rmSync(folder, { recursive: true });
}

async function openPostgres(): Promise<LightningStore> {
  server ??= await startPostgres();
  return openPostgresStore({ connection: server.url, schema: `bench_${process.pid}_${places++}` });
}

function nextPath(): string {
  return join(folder, `${places++}.db`);
}

async function withStore<Result>(
  open: () => Promise<LightningStore>,
  measure: (store: LightningStore) => Promise<Result>,
): Promise<Result> {
  const store = await open();
  try {
    return await measure(store);
  } finally {
    await store.close();
  }
}

function print(line: object): void {
  console.log(JSON.stringify(line));
}
