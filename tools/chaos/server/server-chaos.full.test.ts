import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canMakeMachines } from './machines.ts';
import { runServerChaos } from './run-chaos.ts';

async function runChaos(machines: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-server-test-'));
  const report = await runServerChaos({ faults: 12, seed: 1, steps: 24, folder, machines });
  expect(report.violations).toEqual([]);
  expect(Object.values(report.faults).reduce((sum, count) => sum + count, 0)).toBe(12);
  const { acknowledged, rewards, earned } = report;
  expect(Math.min(acknowledged, rewards, earned.runner, earned.command)).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
}

it('goes on training when server, trainer and runners are killed and connections break, and counts everything once', async () => {
  await runChaos(false);
}, 1_800_000);

it.skipIf(!canMakeMachines())(
  'does so with a machine each, made of network namespaces, that are cut off too (needs Linux, and to be let make namespaces)',
  async () => {
    await runChaos(true);
  },
  1_800_000,
);
