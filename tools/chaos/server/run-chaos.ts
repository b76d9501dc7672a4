import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@agent-lightning/core';
import { auditServer } from './audit-server.ts';
import { faults, ServerSiege, type Fault } from './server-siege.ts';

export interface ServerChaosOptions {
  readonly faults: number;
  readonly seed: number;
  /** Training steps of each run. */
  readonly steps: number;
  readonly folder: string;
  readonly onProgress?: (faults: number) => void;
}

export interface ServerChaosReport {
  readonly seed: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly runs: number;
  readonly acknowledged: number;
  readonly rewards: number;
  readonly violations: readonly string[];
  readonly wallSeconds: number;
}

const faultsPerRun = 60;

/** Lets training runs over a server meet so many faults, one run after the other, and checks each. The first violation ends it. */
export async function runServerChaos({
  seed,
  steps,
  folder,
  onProgress,
  ...options
}: ServerChaosOptions): Promise<ServerChaosReport> {
  const startMs = performance.now();
  const counts: Record<Fault, number> = { server: 0, trainer: 0, runner: 0, cut: 0, late: 0, silent: 0 };
  const violations: string[] = [];
  let [runs, met, acknowledged, rewards] = [0, 0, 0, 0];
  while (met < options.faults && violations.length === 0) {
    const own = join(folder, `run-${runs}`);
    mkdirSync(own, { recursive: true });
    const siege = new ServerSiege(own, steps, seed * 1_000 + runs, seededRandom(seed, `server-siege/${runs}`));
    const runId = await siege.run(Math.min(faultsPerRun, options.faults - met), () =>
      onProgress?.(met + siege.faultCount),
    );
    runs += 1;
    met += siege.faultCount;
    for (const fault of faults) counts[fault] += siege.counts[fault];
    violations.push(...siege.violations);
    if (violations.length > 0 || runId === undefined) break;
    const audit = await auditServer({ folder: own, ledger: siege.ledger, steps, runId });
    acknowledged += audit.acknowledged;
    rewards += audit.rewards;
    violations.push(...audit.violations);
    if (violations.length === 0) rmSync(own, { recursive: true });
  }
  const wallSeconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { seed, faults: counts, runs, acknowledged, rewards, violations, wallSeconds };
}
