import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runChaos } from './chaos-run.ts';

it('loses no acknowledged write in ten kills at random moments', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-test-'));
  try {
    const report = await runChaos({ kills: 10, store: 'sqlite', durability: 'normal', seed: 1, folder });
    expect(report.violations).toEqual([]);
    expect(report.kills).toBe(10);
    expect(
      Math.min(report.acknowledged.enqueued, report.acknowledged.appended, report.acknowledged.completed),
    ).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
