// Kills processes that write to a store, again and again, and checks that the store kept every promise.
// npm run chaos:store -- --kills 1000 --store sqlite|postgres [--durability full|normal] [--seed N]
// PostgreSQL is a server of its own, or the one that POSTGRES_URL names.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError } from '@agent-lightning/core';
import { startPostgres } from '@agent-lightning/testing';
import { readCount } from './read-count.ts';
import { runChaos, type ChaosOptions } from './chaos-run.ts';
import type { TargetKind } from './store-target.ts';

const { store, durability, ...counts } = readArguments();
const folder = mkdtempSync(join(tmpdir(), 'chaos-store-'));
const server = store === 'postgres' ? await startPostgres() : undefined;
try {
  const target: TargetKind =
    server === undefined ? { store: 'sqlite', durability } : { store: 'postgres', url: server.url };
  const report = await runChaos({ ...counts, target, folder, onProgress: showProgress });
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.log(JSON.stringify(report));
  if (report.violations.length === 0) {
    rmSync(folder, { recursive: true });
  } else {
    console.error(`the store broke ${report.violations.length} promises; the ledgers are in ${folder}`);
    process.exitCode = 1;
  }
} finally {
  await server?.stop();
}

function readArguments(): Pick<ChaosOptions, 'kills' | 'seed'> & {
  readonly store: 'sqlite' | 'postgres';
  readonly durability: 'full' | 'normal';
} {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      store: { type: 'string', default: 'sqlite' },
      durability: { type: 'string', default: 'full' },
      seed: { type: 'string', default: '0' },
    },
  });
  const { store, durability } = values;
  if (store !== 'sqlite' && store !== 'postgres')
    throw new ConfigurationError(`--store must be sqlite or postgres; got ${store}`, { code: 'option-invalid' });
  if (durability !== 'full' && durability !== 'normal')
    throw new ConfigurationError(`--durability must be full or normal; got ${durability}`, { code: 'option-invalid' });
  return { store, durability, kills: readCount('--kills', values.kills), seed: readCount('--seed', values.seed) };
}

function showProgress(kills: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${kills} kills`);
}
