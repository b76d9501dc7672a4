// Kills processes that write to a store, again and again, and checks that the store kept every promise.
// npm run chaos:store -- --kills 1000 --store sqlite [--durability full|normal] [--seed N]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError } from '@agent-lightning/core';
import { runChaos, type ChaosOptions } from './chaos-run.ts';

const folder = mkdtempSync(join(tmpdir(), 'chaos-store-'));
const report = await runChaos({ ...readArguments(), folder, onProgress: showProgress });
if (process.stderr.isTTY) process.stderr.write('\n');
console.log(JSON.stringify(report));
if (report.violations.length === 0) {
  rmSync(folder, { recursive: true });
} else {
  console.error(`the store broke ${report.violations.length} promises; its data and the ledgers are in ${folder}`);
  process.exitCode = 1;
}

function readArguments(): Omit<ChaosOptions, 'folder'> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      store: { type: 'string', default: 'sqlite' },
      durability: { type: 'string', default: 'full' },
      seed: { type: 'string', default: '0' },
    },
  });
  const { store, durability } = values;
  if (store !== 'sqlite')
    throw new ConfigurationError(`--store must be sqlite; got ${store}`, { code: 'option-invalid' });
  if (durability !== 'full' && durability !== 'normal')
    throw new ConfigurationError(`--durability must be full or normal; got ${durability}`, { code: 'option-invalid' });
  return { kills: readCount('--kills', values.kills), store, durability, seed: readCount('--seed', values.seed) };
}

function readCount(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new ConfigurationError(`${name} must be a whole number; got ${text}`, { code: 'option-invalid' });
  return Number(text);
}

function showProgress(kills: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${kills} kills`);
}
