import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LightningStore, Rollout, Span } from '@agent-lightning/core';
import { isFinalAttemptStatus } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runQuickstart } from './quickstart-process.ts';

const stepsOfRun = 3;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quickstart-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function withStore<T>(runDirectory: string, use: (store: LightningStore) => Promise<T>): Promise<T> {
  const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function finishedRollouts(store: LightningStore): Promise<readonly Rollout[]> {
  return (await store.queryRollouts({ statuses: ['succeeded'], limit: 10_000 })).items;
}

async function spansOf(store: LightningStore, rollouts: readonly Rollout[]): Promise<readonly Span[]> {
  return store.querySpans({ rolloutIds: rollouts.map(({ rolloutId }) => rolloutId), includeTokens: true });
}

it('the quickstart survives SIGKILL in the middle of a step: goes on, and keeps every rollout that was acknowledged', async () => {
  const runDirectory = join(folder, 'run');
  const options = ['--seed', '5', '--steps', String(stepsOfRun), '--json'];
  const killed = await runQuickstart([...options, '--run-directory', runDirectory], /step 1\/3 ·/);
  expect(killed.signal, killed.stderr).toBe('SIGKILL');
  const [finished, spans] = await withStore(runDirectory, async (store) => {
    const rollouts = await finishedRollouts(store);
    return [rollouts, await spansOf(store, rollouts)];
  });
  expect(finished.length).toBeGreaterThanOrEqual(320 + 8 * 8);

  const resumed = await runQuickstart([...options, '--resume', runDirectory]);
  expect(resumed.code, resumed.stderr).toBe(0);
  const result = JSON.parse(resumed.stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
  expect(result).toMatchObject({
    seed: 5,
    control: 'none',
    steps: stepsOfRun,
    stopReason: 'completed',
    runDirectory,
  });
  expect(result['validationBefore']).toBeLessThan(0.45);
  expect(result['validationAfter']).toBeGreaterThan(result['validationBefore'] as number);

  await withStore(runDirectory, async (store) => {
    const after = new Map((await finishedRollouts(store)).map((rollout) => [rollout.rolloutId, rollout]));
    expect(finished.map(({ rolloutId }) => after.get(rolloutId))).toEqual(finished);
    expect(await spansOf(store, finished)).toEqual(spans);
    const { rollouts, attempts } = await store.statistics();
    expect(rollouts).toMatchObject({ queuing: 0, preparing: 0, running: 0, requeuing: 0 });
    const open = Object.entries(attempts).filter(([status]) => !isFinalAttemptStatus(status as keyof typeof attempts));
    expect(open.filter(([, count]) => count > 0)).toEqual([]);
  });
}, 600_000);
