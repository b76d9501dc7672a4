import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MetricLog, tensorBoard } from '../src/index.ts';

let runDirectory: string;
beforeEach(async () => {
  runDirectory = await mkdtemp(join(tmpdir(), 'tensor-board-'));
});
afterEach(() => rm(runDirectory, { recursive: true }));

function openLog(): MetricLog {
  const tell = (text: string): never => expect.fail(text);
  const logger = { info: tell, warn: tell, error: tell };
  const run = { runId: 'run-a', runDirectory, startedAtMs: 0, config: {} };
  return new MetricLog({ writers: [tensorBoard()], run, logger });
}

/** Reads the steps of a tag, by the place of the tag in each record. */
async function readSteps(): Promise<readonly number[]> {
  const directory = join(runDirectory, 'tensorboard');
  const names = await readdir(directory);
  expect(names).toHaveLength(1);
  const bytes = await readFile(join(directory, names[0]!));
  const steps: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const message = bytes.subarray(at + 12, at + 12 + length);
    if (message.includes('reward/mean')) steps.push(message[10]!); // after wall_time (9 bytes) and the tag of step
    at += length + 16;
  }
  return steps;
}

it('writes a file that holds each step once, also when the run is resumed', async () => {
  const first = openLog();
  first.begin([]);
  for (const step of [1, 2, 3]) first.add({ step, reward: { mean: step } } as never);
  await first.end('interrupted');
  expect(await readSteps()).toEqual([1, 2, 3]);
  const second = openLog();
  second.begin([1, 2].map((step) => ({ step, reward: { mean: step } })));
  for (const step of [3, 4]) second.add({ step, reward: { mean: step } } as never);
  await second.end('completed');
  expect(await readSteps()).toEqual([1, 2, 3, 4]);
});
