import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LightningStore, Rollout, Span } from '@agent-lightning/core';
import { isFinalAttemptStatus } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const minutes = 60_000;
const stepsOfRun = 3;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quickstart-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the quickstart's program, and kills it as soon as its progress matches. */
function quickstart(args: readonly string[], killWhen?: RegExp): Promise<Ended> {
  const child = spawn(process.execPath, [
    '--conditions=@agent-lightning/source',
    join(import.meta.dirname, 'main.ts'),
    ...args,
  ]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    if (killWhen?.test(stderr) === true) child.kill('SIGKILL');
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}

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

describe('the quickstart', () => {
  it(
    'survives SIGKILL in the middle of a step: goes on, and keeps every rollout that was acknowledged',
    async () => {
      const runDirectory = join(folder, 'run');
      const options = ['--seed', '5', '--steps', String(stepsOfRun), '--json'];
      const killed = await quickstart([...options, '--run-directory', runDirectory], /step 1\/3 ·/);
      expect(killed.signal, killed.stderr).toBe('SIGKILL');
      const [finished, spans] = await withStore(runDirectory, async (store) => {
        const rollouts = await finishedRollouts(store);
        return [rollouts, await spansOf(store, rollouts)];
      });
      expect(finished.length).toBeGreaterThanOrEqual(320 + 24 * 8);

      const resumed = await quickstart([...options, '--resume', runDirectory]);
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
        const open = Object.entries(attempts).filter(
          ([status]) => !isFinalAttemptStatus(status as keyof typeof attempts),
        );
        expect(open.filter(([, count]) => count > 0)).toEqual([]);
      });
    },
    5 * minutes,
  );

  it('refuses flags that it does not know, with its usage', async () => {
    const { code, stdout, stderr } = await quickstart(['--sead', '1']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/--sead[^]*npm run quickstart/);
  });

  it('names a run that it cannot resume', async () => {
    const { code, stderr } = await quickstart(['--resume', join(folder, 'nothing')]);
    expect(code).toBe(1);
    expect(stderr).toContain(join(folder, 'nothing'));
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});
