import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runServerChaos } from './run-chaos.ts';

it('goes on training when server, trainer and runners are killed and connections break, and counts everything once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-server-test-'));
  const report = await runServerChaos({ faults: 12, seed: 1, steps: 24, folder });
  expect(report.violations).toEqual([]);
  expect(Object.values(report.faults).reduce((sum, count) => sum + count, 0)).toBe(12);
  expect(Math.min(report.acknowledged, report.rewards)).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
}, 1_800_000);
