import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LightningStore } from '@agent-lightning/core';
import type { Snapshot } from '../src/api.ts';
import { describeRun } from '../src/runs/describe-run.ts';
import { RunFiles } from '../src/runs/run-files.ts';
import { makeSnapshot } from '../src/snapshot/make-snapshot.ts';
import { toData } from '../src/snapshot/to-data.ts';
import { config, createFolder, makeRun } from './make-run.ts';

let kept: string;
let store: LightningStore;

/** Each of these characters takes more than one byte in the file. */
const long = '<é>'.repeat(3_000);

beforeAll(async () => {
  const folder = await createFolder('kept');
  const directory = await makeRun(folder, 'a', [[[1, 0, undefined]], [[0, 1]]], {
    ...config,
    'algorithm.name': 'gepa',
  });
  const candidates = [{ id: 'a', step: 0, parents: [], texts: { instructions: long } }];
  const rollouts = ['run.s1.g0.k0', 'run.s1.g0.k1', 'run.s1.gone.k0'].map((rolloutId) => ({
    rolloutId,
    task: 'a task',
    samples: [],
  }));
  await mkdir(join(directory, 'model'));
  await mkdir(join(directory, 'samples'));
  await writeFile(join(directory, 'model', 'candidates.json'), JSON.stringify({ selection: [], candidates }));
  await writeFile(join(directory, 'samples', 'first.json'), JSON.stringify({ step: 1, rollouts }));
  const notes = [0, 1].map((k) => ({ rolloutId: `run.s2.g0.k${k}`, comment: long, at: '2026-11-29T10:00:00.000Z' }));
  await writeFile(join(directory, 'notes.jsonl'), notes.map((note) => `${JSON.stringify(note)}\n`).join(''));
  kept = directory;
  store = await openSqliteStore({ path: join(directory, 'store.sqlite'), watchdogIntervalMs: 0, thread: false });
});
afterAll(async () => await store.close());

/** Makes a snapshot of a run, with the bytes of all but its sentences. */
async function snapshotOf(
  most: number,
  directory = kept,
): Promise<{ readonly snapshot: Snapshot; readonly bytes: number }> {
  const files = new RunFiles(directory);
  const run = basename(directory);
  const details = { ...(await describeRun(run, files))!, hasStore: true };
  const snapshot = await makeSnapshot(
    { run, runId: 'run', details, files, store, tokenTexts: undefined },
    new Date(0),
    most,
  );
  return { snapshot, bytes: sizeOf(snapshot) - sizeOf(snapshot.chosen) };
}

const sizeOf = (data: object): number => Buffer.byteLength(toData(data));

const leftOut = 'Left out, since the file would be too large: ';

it('has all that tells of the run where there is room, and says which rollouts the store no longer has', async () => {
  const { snapshot } = await snapshotOf(10_000_000);
  expect(snapshot.chosen).toContain('1 more of these are no longer in the store.');
  expect(snapshot.chosen.join('')).not.toContain(leftOut);
  expect(snapshot.notes.map(({ rolloutId }) => rolloutId)).toEqual(['run.s2.g0.k1', 'run.s2.g0.k0']);
});

it('is never larger than its bound, in bytes as they are written, and says what was left out', async () => {
  const { bytes: all } = await snapshotOf(10_000_000);
  const said = [0.99, 0.8, 0.6, 0.4, 0.2, 0.05].map(async (share) => {
    const most = Math.floor(all * share);
    const { snapshot, bytes } = await snapshotOf(most);
    expect(bytes).toBeLessThanOrEqual(most);
    const sentence = snapshot.chosen.at(-1)!;
    expect(sentence).toContain(leftOut);
    return sentence.replace(leftOut, '').replace('.', '');
  });
  expect(await Promise.all(said)).toEqual([
    '1 more rollouts',
    '2 more rollouts',
    '4 more rollouts',
    '1 of 2 notes; 5 more rollouts',
    'the prompts; 2 of 2 notes; 2 more rollouts',
    'the prompts; 2 of 2 notes; 4 more rollouts; the tokens of 1 rollouts',
  ]);
});

it('is not larger with many small notes either', async () => {
  const folder = await createFolder();
  const directory = await makeRun(folder, 'a', [[[1, 0, undefined]]], config);
  const notes = Array.from({ length: 1_000 }, (_, k) => ({
    rolloutId: `gone.k${k}`,
    mark: 'good',
    at: '2026-11-29T10:00:00.000Z',
  }));
  await writeFile(join(directory, 'notes.jsonl'), notes.map((note) => `${JSON.stringify(note)}\n`).join(''));
  const most = 40_000;
  const { snapshot, bytes } = await snapshotOf(most, directory);
  expect(snapshot.notes.length).toBeGreaterThan(100);
  expect(snapshot.notes.length).toBeLessThan(1_000);
  expect(bytes).toBeLessThanOrEqual(most);
  expect(bytes).toBeGreaterThan(most - 1_000);
});
