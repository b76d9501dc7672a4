import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@agent-lightning/core';
import { auditRun } from './audit-run.ts';
import { RunSiege, victims, type Victim } from './run-siege.ts';

export interface RunChaosOptions {
  readonly kills: number;
  readonly seed: number;
  /** An empty folder for the runs. */
  readonly folder: string;
  /** Steps of each run. @default 60 */
  readonly steps?: number;
  /** The most kills that one run lives through. @default 20 */
  readonly killsPerRun?: number;
  readonly onProgress?: (kills: number) => void;
}

export interface RunChaosReport {
  readonly seed: number;
  readonly kills: Readonly<Record<Victim, number>>;
  readonly runs: number;
  /** Ends of rollouts that the store had acknowledged, all of them found again. */
  readonly acknowledged: number;
  readonly answered: number;
  readonly applied: number;
  readonly violations: readonly string[];
  readonly wallSeconds: number;
}

/** Kills the processes of training runs at random moments, resumes the runs, and checks what they promise. A folder with a violation is kept. */
export async function runChaosOfRuns(options: RunChaosOptions): Promise<RunChaosReport> {
  const { seed, folder, steps = 60, killsPerRun = 20, onProgress } = options;
  const startMs = performance.now();
  const kills: Record<Victim, number> = { trainer: 0, worker: 0, gateway: 0 };
  const violations: string[] = [];
  let [runs, killed, acknowledged, answered, applied] = [0, 0, 0, 0, 0];
  while (killed < options.kills && violations.length === 0) {
    const own = join(folder, `run-${runs}`);
    mkdirSync(own, { recursive: true });
    const siege = new RunSiege(own, steps, seed * 1_000 + runs, seededRandom(seed, `siege/${runs}`));
    const limit = Math.min(killsPerRun, options.kills - killed);
    const runId = await siege.run(limit, () => onProgress?.(killed + siege.killed));
    runs += 1;
    killed += siege.killed;
    for (const victim of victims) kills[victim] += siege.kills[victim];
    violations.push(...siege.violations);
    if (violations.length > 0 || runId === undefined) break;
    const audit = await auditRun({ ...siege, runId });
    acknowledged += audit.acknowledged;
    answered += audit.answered;
    applied += audit.applied;
    violations.push(...audit.violations);
    if (violations.length === 0) rmSync(own, { recursive: true });
  }
  const wallSeconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { seed, kills, runs, acknowledged, answered, applied, violations, wallSeconds };
}
