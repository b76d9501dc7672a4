import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@agent-lightning/core';
import { auditServer } from './audit-server.ts';
import { Machines } from './machines.ts';
import { faults, noFaults, ServerSiege, type Fault } from './server-siege.ts';
import type { SiegeRunner } from './siege-ledger.ts';

export interface ServerChaosOptions {
  readonly faults: number;
  readonly seed: number;
  /** Training steps of each run. */
  readonly steps: number;
  readonly folder: string;
  /** True gives the server, the trainer and each runner a machine of its own, made of network namespaces. */
  readonly machines: boolean;
  readonly onProgress?: (faults: number) => void;
}

export interface ServerChaosReport {
  readonly seed: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly runs: number;
  readonly acknowledged: number;
  readonly rewards: number;
  /** How often an agent earned a reward, by the program that ran it, those that were killed before they delivered it included. */
  readonly earned: Readonly<Record<SiegeRunner, number>>;
  readonly violations: readonly string[];
  readonly wallSeconds: number;
}

const faultsPerRun = 60;

/** Lets training runs over a server meet so many faults, one run after the other, and checks each. The first violation ends it. */
export async function runServerChaos(options: ServerChaosOptions): Promise<ServerChaosReport> {
  const machines = options.machines ? new Machines() : undefined;
  try {
    return await runSieges(options, machines);
  } finally {
    machines?.close();
  }
}

async function runSieges(
  { seed, steps, folder, onProgress, ...options }: ServerChaosOptions,
  machines: Machines | undefined,
): Promise<ServerChaosReport> {
  const startMs = performance.now();
  const counts = noFaults();
  const earned: Record<SiegeRunner, number> = { runner: 0, command: 0 };
  const violations: string[] = [];
  let [runs, met, acknowledged, rewards] = [0, 0, 0, 0];
  while (met < options.faults && violations.length === 0) {
    const own = join(folder, `run-${runs}`);
    mkdirSync(own, { recursive: true });
    const random = seededRandom(seed, `server-siege/${runs}`);
    const siege = new ServerSiege(own, steps, seed * 1_000 + runs, random, machines);
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
    earned.runner += audit.earned.runner;
    earned.command += audit.earned.command;
    violations.push(...audit.violations);
    if (violations.length === 0) rmSync(own, { recursive: true });
  }
  const wallSeconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { seed, faults: counts, runs, acknowledged, rewards, earned, violations, wallSeconds };
}
