// Measures what each operation of a store costs as the store grows; prints one JSON line per size.
// npm run bench:store-scale [-- --rollouts 10000,100000,1000000 --calls 300 --folder DIR --store sqlite|postgres --json]
// With --json the last line is one object: the times by size, and `growth`: for each operation its median in the largest store
// against that in the smallest, beside `logGrowth`, what log n would give.
// Exits with 1 where an operation of the hot path, which is every one but `page`, grows more than twice as much as log n.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LightningStore } from '@agent-lightning/core';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { startPostgres } from '@agent-lightning/testing';
import { copyInPostgres, copyInSqlite } from './copy-rollouts.ts';
import { compareSizes, type MeasuredSize } from './growth.ts';
import { finishRollouts, measureOperations, type Latency } from './operations.ts';

const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '10000,100000,1000000' },
    calls: { type: 'string', default: '300' },
    folder: { type: 'string', default: tmpdir() },
    store: { type: 'string', default: 'sqlite' },
    json: { type: 'boolean', default: false },
  },
});
const sizes = values.rollouts.split(',').map(Number);
const calls = Number(values.calls);
if (!sizes.every((size) => size >= 1_000) || !(calls >= 1))
  throw new Error('--rollouts are numbers from 1,000, and --calls from 1');
if (values.store !== 'sqlite' && values.store !== 'postgres')
  throw new Error(`--store is sqlite or postgres, not ${values.store}`);

const results: MeasuredSize[] = [];
for (const rollouts of sizes) {
  const result = values.store === 'sqlite' ? await measureSqlite(rollouts) : await measurePostgres(rollouts);
  results.push({ rollouts, operations: result.operations });
  console.log(JSON.stringify({ store: values.store, rollouts, ...result }));
}
if (values.json || results.length > 1) {
  const { growth, logGrowth, steep } = compareSizes(results as [MeasuredSize, ...MeasuredSize[]]);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, load ${loadavg()[0]?.toFixed(1)}`;
  if (values.json) console.log(JSON.stringify({ store: values.store, machine, calls, results, growth, logGrowth }));
  for (const name of steep) console.error(`${name} grows by ${growth[name]}, where log n grows by ${logGrowth}`);
  if (steep.length > 0) process.exitCode = 1;
}

type Measured = {
  readonly loadSeconds: number;
  readonly megabytes?: number;
  readonly operations: Record<string, Latency>;
};

async function measureSqlite(rollouts: number): Promise<Measured> {
  const folder = mkdtempSync(join(values.folder, 'bench-store-scale-'));
  const path = join(folder, 'store.db');
  const open = (): Promise<LightningStore> => openSqliteStore({ path, durability: 'normal' });
  try {
    const { loadSeconds, operations } = await fill(open, async () => copyInSqlite(path, rollouts));
    return { loadSeconds, megabytes: Math.round(statSync(path).size / 1e6), operations };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measurePostgres(rollouts: number): Promise<Measured> {
  const server = await startPostgres();
  const schema = 'bench_store_scale';
  try {
    return await fill(
      () => openPostgresStore({ connection: server.url, schema }),
      () => copyInPostgres(server.url, schema, rollouts),
    );
  } finally {
    await server.stop();
  }
}

/** Fills a store by copying a thousand finished rollouts, and measures it. */
async function fill(open: () => Promise<LightningStore>, copy: () => Promise<void>): Promise<Measured> {
  const first = await open();
  await finishRollouts(first, 1_000);
  await first.close();
  const startMs = performance.now();
  await copy();
  const loadSeconds = Math.round((performance.now() - startMs) / 1_000);
  const store = await open();
  try {
    return { loadSeconds, operations: await measureOperations(store, calls) };
  } finally {
    await store.close();
  }
}
