import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@agent-lightning/testing';
import { expect, it } from 'vitest';
import { runChaos } from './chaos-run.ts';
import type { TargetKind } from './store-target.ts';

async function expectNoLoss(target: TargetKind): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-test-'));
  try {
    const report = await runChaos({ kills: 5, target, seed: 1, folder });
    expect(report.violations).toEqual([]);
    expect(report.kills).toBe(5);
    expect(
      Math.min(report.acknowledged.enqueued, report.acknowledged.appended, report.acknowledged.completed),
    ).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('loses no acknowledged write in five kills at random moments, in a file', async () => {
  await expectNoLoss({ store: 'sqlite', durability: 'normal' });
}, 600_000);

it('loses no acknowledged write in five kills at random moments, on a server', async () => {
  const server = await startPostgres();
  try {
    await expectNoLoss({ store: 'postgres', url: server.url });
  } finally {
    await server.stop();
  }
}, 600_000);
