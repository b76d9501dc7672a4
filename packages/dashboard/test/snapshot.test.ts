import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StoreError, type LightningStore } from '@agent-lightning/core';
import { StepExcerpts } from '@agent-lightning/report';
import { initialState, RunDirectory } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { describe, expect, it } from 'vitest';
import { answerFromSnapshot } from '../app/src/snapshot/answer.ts';
import type { GroupDetails, GroupPage, RolloutPage, RunExamples, Snapshot } from '../src/api.ts';
import { chooseExamples } from '../src/examples/choose-examples.ts';
import { largestStep } from '../src/rollouts/read-step.ts';
import { readSnapshotEntries } from '../src/snapshot/read-entries.ts';
import { startDashboard, writeReport } from '../src/index.ts';
import { config, createFolder, makeRun, runStep, type StepRewards } from './make-run.ts';

const steps: readonly StepRewards[] = [
  [
    [1, 0, 0.5, undefined],
    [1, 1, 1, 1],
  ],
  [[0, 0, 1, 1]],
];

/** Writes the report of a run that ended, and returns what it holds. */
async function report(directory: string, change: (store: LightningStore) => void = () => undefined): Promise<Snapshot> {
  const run = await RunDirectory.open(directory, {
    config,
    resume: true,
    keepCheckpoints: 1,
    runId: 'run',
    now: new Date(),
  });
  const store = await openSqliteStore({ path: run.file('store.sqlite'), watchdogIntervalMs: 0, thread: false });
  change(store);
  const path = await writeReport(
    { directory: run, store, tokenTexts: undefined },
    { state: { ...initialState, step: 2 }, excerpts: new StepExcerpts(run), outcome: 'stopped: no signal' },
  );
  await store.close();
  run.close();
  const [, text] = /id="snapshot">(.*?)<\/script>/s.exec(await readFile(path, 'utf8'))!;
  return JSON.parse(text!) as Snapshot;
}

describe('a snapshot', () => {
  it('answers every list, rollout and group as the server does', async () => {
    const directory = await makeRun(await createFolder(), 'a b', steps);
    const note = { rolloutId: 'run.s2.g0.k1', mark: 'bad', comment: 'wrong', at: '2026-11-29T10:00:00.000Z' };
    await writeFile(join(directory, 'notes.jsonl'), `${JSON.stringify(note)}\n`);
    const snapshot = await report(directory);
    const dashboard = await startDashboard({ source: directory });
    const run = `/api/runs/${encodeURIComponent(basename(directory))}`;
    const paths = [
      '/metrics?after=1',
      '/rollouts?order=lowest&limit=3&offset=1',
      '/rollouts?failure=RangeError',
      '/rollouts?steps=2&mode=train',
      '/groups?signal=none',
      '/groups?steps=1-2&limit=1&offset=1',
      '/groups/run.s2.g0',
      '/rollouts/run.s2.g0.k1',
      '/rollouts/run.s1.g0.k3/tokens',
      '/rollouts/run.s1.g0.k3/samples',
      '/samples',
      '/samples?step=2',
      '/rollouts?note=bad',
      '/examples',
    ];
    for (const path of paths) {
      const response = await fetch(dashboard.url + run + path);
      expect(response.status, path).toBe(200);
      expect(answerFromSnapshot(snapshot, run + path), path).toEqual(await response.json());
    }
    await dashboard.close();
  });

  it('reads a step once for all of its rollouts that are shown token by token', async () => {
    const read: string[] = [];
    const directory = await makeRun(await createFolder(), 'a', steps);
    await mkdir(join(directory, 'samples'));
    for (const [step, name] of [
      [1, 'first'],
      [2, 'last'],
    ] as const) {
      const rollouts = [0, 1].map((k) => ({ rolloutId: `run.s${step}.g0.k${k}`, task: 'a task', samples: [] }));
      await writeFile(join(directory, 'samples', `${name}.json`), JSON.stringify({ step, rollouts }));
    }
    const snapshot = await report(directory, (store) => {
      const { queryRollouts } = store;
      store.queryRollouts = async (query) => {
        if (query?.limit === largestStep) read.push(query.rolloutIds![0]!);
        return await queryRollouts.call(store, query);
      };
    });
    expect(Object.keys(snapshot.replies).filter((path) => path.endsWith('k0/samples'))).toHaveLength(2);
    expect(read.map((id) => id.replace(/\.g.*/, ''))).toEqual(['run.s2', 'run.s1']);
  });

  it('says what is not in it, and which field is wrong', async () => {
    const snapshot = await report(await makeRun(await createFolder(), 'a', steps));
    const errors = [
      ['/rollouts/run.s1.g1.k2', 'Of run.s1.g1.k2 this file has the line in the table only'],
      ['/rollouts/run.s2.g0.k1/tokens', 'The tokens of run.s2.g0.k1 are not in this file'],
      ['/groups/run.s1.g1', 'This is not in the file'],
      ['/samples?step=1', 'Of the steps, the samples of step 2 alone are in this file'],
      ['/prompts', 'This is not in the file'],
      ['/rollouts?steps=many', 'steps is "many"; give a step such as 7'],
    ] as const;
    for (const [path, message] of errors)
      expect(() => answerFromSnapshot(snapshot, `/api/runs/a${path}`), path).toThrow(message);
    const group = answerFromSnapshot(snapshot, '/api/runs/a/groups/run.s1.g0') as GroupDetails;
    expect(group).toMatchObject({ missing: 3, rollouts: [{ rolloutId: 'run.s1.g0.k3' }] });
  });

  it('of a failed run begins with its failures, and what the model said in them and in the last step', async () => {
    const snapshot = await report(await makeRun(await createFolder(), 'a', steps));
    const examples = answerFromSnapshot(snapshot, '/api/runs/a/examples') as RunExamples;
    expect(examples.failures).toEqual([
      {
        code: 'RangeError',
        kind: 'unknown',
        count: 1,
        items: [expect.objectContaining({ id: 'run.s1.g0.k3', message: 'out of range', said: 'answer 0' })],
      },
    ]);
    expect(examples.lastStep).toMatchObject({ step: 2, total: 4 });
    expect(examples.lastStep!.items.map(({ said }) => said)).toEqual(['answer 0', 'answer 1', 'answer 2', 'answer 0']);
    expect(snapshot.replies['/api/runs/a']).toMatchObject({ state: 'ended', outcome: 'stopped: no signal', steps: 2 });
  });

  it('is written without rollouts where the store is away, and says so', async () => {
    const snapshot = await report(await makeRun(await createFolder(), 'a', steps), (store) => {
      store.queryRollouts = async () => {
        throw new StoreError('the store is away', { code: 'store-unavailable' });
      };
    });
    expect(snapshot.chosen[0]).toContain('could not be read when this was written: the store is away');
    expect(answerFromSnapshot(snapshot, '/api/runs/a/rollouts') as RolloutPage).toMatchObject({ total: 0 });
    expect(answerFromSnapshot(snapshot, '/api/runs/a/groups') as GroupPage).toMatchObject({ total: 0 });
    expect(snapshot.replies['/api/runs/a/metrics']).toMatchObject({ lines: [{ step: 1 }, { step: 2 }] });
  });

  it('lists the newest rollouts, those that failed and the first validation of a long run', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    await runStep(store, 1, [[undefined, 1]]);
    await store.enqueue([
      { rolloutId: 'run.v0.t0', runId: 'run', mode: 'val', input: 'held out', metadata: { step: 0, task: 0 } },
    ]);
    const rest = Array.from({ length: 3_000 }, (_, index) => ({
      rolloutId: `run.s${2 + (index >> 1)}.g0.k${index % 2}`,
      runId: 'run',
      input: index,
      metadata: { step: 2 + (index >> 1) },
    }));
    await store.enqueue(rest);
    const found = await readSnapshotEntries(store, 'run');
    expect(found.isAll).toBe(false);
    expect(found.entries).toHaveLength(3_002);
    expect(new Set(found.entries.slice(3_000).map(({ id }) => id))).toEqual(new Set(['run.v0.t0', 'run.s1.g0.k0']));
    expect([1, 2, 3].map(found.hasWholeStep)).toEqual([false, false, true]);
    await store.close();
  });
});

describe('the held-out tasks that are compared', () => {
  it('are first those whose reward rose, then those where it fell most, of the newest rollout of each', () => {
    const entry = (step: number, taskNumber: number, reward: number, id = `v${step}.t${taskNumber}`) => ({
      id,
      mode: 'val' as const,
      status: 'succeeded' as const,
      step,
      taskNumber,
      task: 'a task',
      reward,
      attempts: 1,
      createdAtMs: 0,
    });
    const rewards = [
      [0, 1],
      [1, 1],
      [1, 0.25],
      [0.5, 1],
      [1, 0],
    ] as const;
    const entries = rewards.flatMap(([before, after], task) => [entry(0, task, before), entry(9, task, after)]);
    const newest = entry(9, 0, 0.75, 'v9.t0.r1');
    const { heldOut } = chooseExamples([newest, ...entries.toReversed(), entry(4, 0, 1)]);
    expect(heldOut.map(({ steps: compared, before, after }) => [compared, before.id, after.id])).toEqual([
      [[0, 9], 'v0.t0', 'v9.t0.r1'],
      [[0, 9], 'v0.t3', 'v9.t3'],
      [[0, 9], 'v0.t4', 'v9.t4'],
      [[0, 9], 'v0.t2', 'v9.t2'],
    ]);
  });

  it('are found among more rollouts than a call takes arguments', () => {
    const entries = Array.from({ length: 150_000 }, (_, index) => ({
      id: `v${index}`,
      mode: 'val' as const,
      status: 'succeeded' as const,
      step: index < 75_000 ? 9 : 0,
      taskNumber: 0,
      task: 'a task',
      attempts: 1,
      createdAtMs: 0,
    }));
    expect(chooseExamples(entries).heldOut).toMatchObject([
      { steps: [0, 9], before: { id: 'v75000' }, after: { id: 'v0' } },
    ]);
  });

  it('are none where there was one validation', () => {
    expect(chooseExamples([])).toEqual({ failures: [], heldOut: [] });
  });
});
