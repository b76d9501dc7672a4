/** Every call of a training backend once, one after the other, for recording what it says to its server. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  LightningError,
  type JsonValue,
  type Loss,
  type PolicySnapshot,
  type TrainingBackend,
  type TrainingSample,
} from '@agent-lightning/core';
import { collectGeneration } from '@agent-lightning/testing';

export interface ExerciseOptions {
  /** An empty directory, for a saved state. */
  readonly directory: string;
}

/** The results of a step that a server may refuse: what it gave, or the code of its error. */
type Outcome = JsonValue;

/**
 * Trains, publishes, samples, saves, loads; and closes the backend.
 * @returns what each step gave, rounded so that another machine's last digits do not count
 */
export async function exerciseBackend(
  backend: TrainingBackend,
  options: ExerciseOptions,
): Promise<Readonly<Record<string, Outcome>>> {
  const results: Record<string, Outcome> = {};
  const samples = await readSamples();
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    results[name] = await work().then(toResult, codeOf);
  };
  const capabilities = await backend.capabilities();
  const adam = { learningRate: 0.01, beta1: 0.8, weightDecay: 0.1, maxGradientNorm: 1, ...capabilities.fixedAdam };
  const policy = await backend.createPolicy({ name: 'writer', seed: 1 });
  await step('forward', () => policy.forward(samples));
  for (const loss of everyLoss) {
    if (capabilities.losses.includes(loss.name)) await step(loss.name, () => policy.forwardBackward(samples, loss));
  }
  await step('optimStep', () => policy.optimStep(adam));
  await step('forwardBase', () => policy.forwardBase(samples));
  await step('publish', async () => sample(await policy.publish(1)));
  await step('baseSnapshot', async () => sample(await backend.baseSnapshot()));
  await step('saveState', () => policy.saveState(join(options.directory, 'state')));
  await step('loadState', () => policy.loadState(join(options.directory, 'state')));
  await step('forward again', () => policy.forward(samples));
  if (policy.discardState !== undefined)
    await step('discardState', () => policy.discardState!(join(options.directory, 'state')));
  await backend.close();
  return results;
}

/** Reads the batch of every recording: three samples of token ids below 256, with advantages of both signs. */
async function readSamples(): Promise<readonly TrainingSample[]> {
  const text = await readFile(new URL('../__fixtures__/samples.json', import.meta.url), 'utf8');
  const samples = JSON.parse(text) as readonly Readonly<Record<keyof TrainingSample, readonly number[]>>[];
  return samples.map(({ tokens, lossMask, logprobs, advantages }) => ({
    tokens: Int32Array.from(tokens),
    lossMask: Uint8Array.from(lossMask),
    logprobs: Float32Array.from(logprobs),
    advantages: Float32Array.from(advantages),
  }));
}

const everyLoss: readonly Loss[] = [
  { name: 'cross_entropy' },
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
];

async function sample(snapshot: PolicySnapshot | undefined): Promise<unknown> {
  if (snapshot?.kind !== 'engine') return snapshot?.kind ?? 'none';
  const prompt = Int32Array.of(1, 2, 3, 4);
  const request = { input: { prompt }, maxTokens: 4, temperature: 0.7, seed: 3, choices: 2 };
  const { choices } = await collectGeneration(snapshot.engine, request);
  return choices.map(({ tokens, logprobs, reason }) => ({ tokens, logprobs, reason }));
}

/** JSON with numbers to five digits. */
function toResult(value: unknown): Outcome {
  const text = JSON.stringify(value ?? null, (_, inner: unknown) => {
    if (typeof inner === 'number') return Number(inner.toPrecision(5));
    return ArrayBuffer.isView(inner) ? [...(inner as Float32Array)] : inner;
  });
  return JSON.parse(text) as JsonValue;
}

function codeOf(error: unknown): Outcome {
  if (LightningError.isInstance(error)) return { error: error.code };
  throw error;
}
