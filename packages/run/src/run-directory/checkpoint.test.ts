import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initialState } from '../run-state.ts';
import { Checkpoints, type Resumable } from './checkpoint.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'checkpoints-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** An algorithm whose state is one number, and that notes what it is told to free. */
class Counter implements Resumable {
  value = 0;
  fails = false;
  readonly discarded: string[] = [];

  async save(path: string): Promise<void> {
    await writeFile(join(path, 'value'), String(this.value));
    if (this.fails) throw new Error('no more room');
  }

  async load(path: string): Promise<void> {
    this.value = Number(await readFile(join(path, 'value'), 'utf8'));
  }

  async discard(path: string): Promise<void> {
    this.discarded.push(basename(path));
  }
}

async function saveSteps(counter: Counter, checkpoints: Checkpoints, ...steps: readonly number[]): Promise<void> {
  for (const step of steps) {
    counter.value = step * 10;
    await checkpoints.save(counter, { ...initialState, step });
  }
}

/** Loads the newest checkpoint as another process would. */
async function reopen(): Promise<{ readonly step: number | undefined; readonly value: number }> {
  const latest = await new Checkpoints(directory, 2).latest();
  const counter = new Counter();
  if (latest !== undefined) await counter.load(latest.directory);
  return { step: latest?.state.step, value: counter.value };
}

describe('checkpoints', () => {
  it('are none in a run that begins', async () => {
    expect(await reopen()).toEqual({ step: undefined, value: 0 });
  });

  it('keep the best step besides the newest, until another is better', async () => {
    const counter = new Counter();
    const checkpoints = new Checkpoints(directory, 2);
    for (const [step, best] of [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 2],
      [5, 2],
    ] as const)
      await checkpoints.save(counter, { ...initialState, step, best: { step: best, selection: 0.5 } });
    expect(await checkpoints.steps()).toEqual([5, 4, 2]);
    expect((await checkpoints.find(2))?.state.step).toBe(2);
    expect(await checkpoints.find(3)).toBeUndefined();
    await checkpoints.save(counter, { ...initialState, step: 6, best: { step: 6, selection: 0.6 } });
    expect(await checkpoints.steps()).toEqual([6, 5]);
    expect(await new Checkpoints(join(directory, 'nowhere'), 1).steps()).toEqual([]);
  });

  it('give the newest back, and free those beyond what is kept', async () => {
    const counter = new Counter();
    await saveSteps(counter, new Checkpoints(directory, 2), 1, 2, 10, 1_000_000);
    expect(await reopen()).toEqual({ step: 1_000_000, value: 10_000_000 });
    expect((await readdir(directory)).sort()).toEqual(['step-000010', 'step-1000000']);
    expect(counter.discarded).toEqual(['step-000001', 'step-000002']);
  });

  it('replace one of the same step, and free the replaced one', async () => {
    const counter = new Counter();
    const checkpoints = new Checkpoints(directory, 2);
    await saveSteps(counter, checkpoints, 1);
    counter.value = 11;
    await checkpoints.save(counter, { ...initialState, step: 1 });
    expect(await reopen()).toEqual({ step: 1, value: 11 });
    expect(await readdir(directory)).toEqual(['step-000001']);
    expect(counter.discarded).toEqual(['replaced-step-000001']);
  });

  it('are not there before they are whole; what a failed one left is freed by the next, of whatever step', async () => {
    const counter = new Counter();
    const checkpoints = new Checkpoints(directory, 2);
    await saveSteps(counter, checkpoints, 1);
    counter.fails = true;
    await expect(saveSteps(counter, checkpoints, 2)).rejects.toThrow('no more room');
    expect(await reopen()).toEqual({ step: 1, value: 10 });
    counter.fails = false;
    await saveSteps(counter, new Checkpoints(directory, 2), 3);
    expect((await readdir(directory)).sort()).toEqual(['step-000001', 'step-000003']);
    expect(counter.discarded).toEqual(['partial-step-000002']);
  });

  it.each([
    ['before the old one was moved away', ['step-000001', 'partial-step-000001'], 10, ['partial-step-000001']],
    ['between the two moves', ['replaced-step-000001', 'partial-step-000001'], 10, ['partial-step-000001']],
    ['before the old one was deleted', ['replaced-step-000001', 'step-000001'], 11, ['replaced-step-000001']],
  ])('are whole after a process was killed %s', async (_, [old, replacing], value, discarded) => {
    const counter = new Counter();
    await saveSteps(counter, new Checkpoints(directory, 2), 1);
    const other = join(directory, 'other');
    counter.value = 11;
    await new Checkpoints(other, 2).save(counter, { ...initialState, step: 1 });
    await rename(join(directory, 'step-000001'), join(directory, old!));
    await rename(join(other, 'step-000001'), join(directory, replacing!));
    await rm(other, { recursive: true });
    expect(await reopen()).toEqual({ step: 1, value });
    await saveSteps(counter, new Checkpoints(directory, 2), 2);
    expect((await readdir(directory)).sort()).toEqual(['step-000001', 'step-000002']);
    expect(counter.discarded).toEqual(discarded);
  });

  it('keep the only one where its replacement could not be put in its place', async () => {
    const counter = new Counter();
    await saveSteps(counter, new Checkpoints(directory, 1), 1);
    await rename(join(directory, 'step-000001'), join(directory, 'replaced-step-000001'));
    counter.fails = true;
    await expect(saveSteps(counter, new Checkpoints(directory, 1), 1)).rejects.toThrow('no more room');
    expect(await reopen()).toEqual({ step: 1, value: 10 });
  });

  it('of another format are refused', async () => {
    await saveSteps(new Counter(), new Checkpoints(directory, 2), 1);
    await writeFile(join(directory, 'step-000001', 'run.json'), JSON.stringify({ ...initialState, format: 2 }));
    await expect(new Checkpoints(directory, 2).latest()).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('has the format 2; this version reads format 3'),
    });
  });
});
