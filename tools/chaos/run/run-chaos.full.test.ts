import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runChaosOfRuns } from './run-chaos.ts';

it('loses no acknowledged rollout and takes no step twice in eight kills of trainer, worker and gateway', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-run-test-'));
  const report = await runChaosOfRuns({ kills: 8, seed: 3, steps: 24, folder });
  expect(report.violations).toEqual([]);
  const { trainer, worker, gateway } = report.kills;
  expect(trainer + worker + gateway).toBe(8);
  expect(Math.min(report.acknowledged, report.answered, report.applied)).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
}, 1_800_000);
