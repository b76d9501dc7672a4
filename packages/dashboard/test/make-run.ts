import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attributeNames,
  rewardAttributes,
  toEpisode,
  type Episode,
  type LightningStore,
  type Rollout,
  type SpanInput,
} from '@agent-lightning/core';
import { createStepMetrics, FailureScoring, summariseRewards, type RunConfig } from '@agent-lightning/run';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, afterEach } from 'vitest';

const folders: string[] = [];
const keptFolders: string[] = [];

const removeAll = async (list: string[]): Promise<void> => {
  for (const folder of list.splice(0)) await rm(folder, { recursive: true, force: true });
};
afterEach(async () => await removeAll(folders));
afterAll(async () => await removeAll(keptFolders));

/** Makes a folder that is removed after the test, or after all tests of the file. */
export async function createFolder(life: 'test' | 'kept' = 'test'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dashboard-test-'));
  (life === 'test' ? folders : keptFolders).push(folder);
  return folder;
}

/** The options of LightningRL that the run has. */
export const config = {
  'algorithm.name': 'grpo',
  'algorithm.estimator': 'grpo',
  'algorithm.credit': 'identical',
  'algorithm.intermediate': 'none',
  'algorithm.samples': 'trajectory',
  'algorithm.tokenWeighting': 'rollout',
  'algorithm.weighNodes': false,
  'algorithm.rewardScale': 'none',
  backend: 'embedded',
} as const;

/** The rewards of a step's groups; undefined is a rollout that fails. */
export type StepRewards = readonly (readonly (number | undefined)[])[];

/** The reward with which failed rollouts count. */
export const failureReward = -0.5;

/** Writes a run directory with a store, as a run leaves it: one file after the other, by the store's own operations. */
export async function makeRun(
  folder: string,
  name: string,
  steps: readonly StepRewards[],
  options: RunConfig = config,
): Promise<string> {
  const directory = join(folder, name);
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, 'run.json'),
    JSON.stringify({ format: 1, runId: 'run', startedAt: '2026-11-29T10:00:00.000Z', config: options }),
  );
  const store = await openSqliteStore({
    path: join(directory, 'store.sqlite'),
    durability: 'normal',
    watchdogIntervalMs: 0,
    thread: false,
  });
  const lines: string[] = [];
  for (const [index, rewards] of steps.entries())
    lines.push(JSON.stringify(toLine(index + 1, scoreFailed(await runStep(store, index + 1, rewards)))));
  await store.close();
  await writeFile(join(directory, 'metrics.jsonl'), lines.map((line) => `${line}\n`).join(''));
  return directory;
}

/** Gives failed rollouts the reward with which they count. */
export function scoreFailed(episodes: readonly Episode[]): readonly Episode[] {
  return new FailureScoring({ failureReward }).score(episodes);
}

/** Runs the rollouts of a step to their end, and returns their episodes. */
export async function runStep(store: LightningStore, step: number, rewards: StepRewards): Promise<readonly Episode[]> {
  const planned = rewards.flatMap((group, g) => group.map((reward, k) => ({ id: `run.s${step}.g${g}`, k, reward })));
  await store.enqueue(
    planned.map(({ id, k }) => ({
      rolloutId: `${id}.k${k}`,
      groupId: id,
      runId: 'run',
      input: { question: `What is ${id}?`, kind: k % 2 === 0 ? 'even' : 'odd' },
      metadata: { step, sample: k },
    })),
  );
  const ended: Rollout[] = [];
  for (const { reward } of planned) {
    const [claim] = await store.claim({ workerId: 'worker' });
    await store.appendSpans(claim!.lease, spansOf(reward, ended.length));
    ended.push(
      reward === undefined
        ? await store.fail(claim!.lease, { code: 'RangeError', message: 'out of range' })
        : await store.complete(claim!.lease),
    );
  }
  const spans = await store.querySpans({ rolloutIds: ended.map(({ rolloutId }) => rolloutId), includeTokens: true });
  return ended.map((rollout) =>
    toEpisode(
      rollout,
      spans.filter(({ rolloutId }) => rolloutId === rollout.rolloutId),
    ),
  );
}

/** Makes the span of a reward. */
export function rewardSpan(reward: number): SpanInput {
  return {
    traceId: 'a'.repeat(32),
    spanId: 'd'.repeat(16),
    kind: 'reward',
    name: 'reward',
    startTimeMs: 1_000,
    endTimeMs: 1_500,
    status: { code: 'ok' },
    attributes: rewardAttributes({ right: reward }),
  };
}

function spansOf(reward: number | undefined, seed: number): readonly SpanInput[] {
  const base = { traceId: 'a'.repeat(32), startTimeMs: 1_000, endTimeMs: 1_500, status: { code: 'ok' } as const };
  const response = Int32Array.of(5, 6 + (seed % 3), 2);
  const call: SpanInput = {
    ...base,
    spanId: 'b'.repeat(16),
    kind: 'model_call',
    name: 'chat policy',
    attributes: {
      [attributeNames.source]: 'gateway',
      [attributeNames.policy]: 'policy',
      [attributeNames.policyVersion]: 0,
      [attributeNames.agentName]: 'write_query',
      [attributeNames.finishReasons]: ['stop'],
      [attributeNames.requestTemperature]: 1,
      [attributeNames.inputMessages]: JSON.stringify([{ role: 'user', content: 'a question' }]),
      [attributeNames.outputMessages]: JSON.stringify([{ role: 'assistant', content: `answer ${seed % 3}` }]),
    },
    tokens: { prompt: Int32Array.of(1, 3, 4), response, logprobs: Float32Array.of(-0.5, -1, -0.25) },
  };
  if (reward === undefined) return [call];
  return [
    call,
    {
      ...base,
      spanId: 'c'.repeat(16),
      kind: 'reward',
      name: 'reward',
      attributes: rewardAttributes({ right: reward, brevity: 0.5, feedback: 'because' }),
    },
  ];
}

function toLine(step: number, episodes: readonly Episode[]): object {
  const rollouts = episodes.map(({ rollout }) => rollout);
  return createStepMetrics({
    step,
    rollouts,
    collected: episodes,
    episodes,
    reward: summariseRewards(episodes, undefined),
    answers: undefined,
    validation: undefined,
    failureReward,
    load: { queueDepth: 0, idleShare: { trainer: 0.5, samplers: 0.25 }, samplingSeconds: 1 },
    seconds: { rollout: 1, convert: 0, train: 1, publish: 0, validate: 0, checkpoint: 0 },
    wallSeconds: step * 2,
  });
}
