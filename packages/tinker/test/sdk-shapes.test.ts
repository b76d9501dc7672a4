import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonValue, TrainingSample } from '@agent-lightning/core';
import { collectGeneration } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinker } from '../src/index.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import type { ExchangeFixture } from './exchange/exchange-fixture.ts';
import { startFakeTinker, type FakeTinker } from './fakes/fake-tinker.ts';

/** The samples of tools/reference/tinker_sdk_exchange.py, aligned with tokens instead of shifted. */
const sample: TrainingSample = {
  tokens: Int32Array.of(11, 22, 33, 44, 55),
  lossMask: Uint8Array.of(0, 0, 1, 1, 1),
  logprobs: Float32Array.of(0, 0, -0.5, -1.25, -2),
  advantages: Float32Array.of(0, 0, 1, -0.5, 0.25),
};

let root: string;
let server: FakeTinker;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-sdk-'));
  await createTinyCheckpoint(join(root, 'model'));
  server = await startFakeTinker({ serverKind: 'tinker', vocabularySize: tinyVocabularySize });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

/** Everything that {@link sample} can be used for, in the order in which the SDK was driven. */
async function driveClient(): Promise<void> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const backend = tinker({
    url: server.url,
    model: server.modelName,
    tokenizer: join(root, 'model'),
    apiKey: server.apiKey,
    lora: { rank: 8 },
    logger: silent,
  });
  const policy = await backend.createPolicy({ name: 'policy', seed: 1 });
  await policy.forward([sample]);
  await policy.forwardBackward([sample], { name: 'cross_entropy' });
  await policy.forwardBackward([sample], { name: 'importance_sampling' });
  for (const name of ['ppo', 'cispo'] as const)
    await policy.forwardBackward([sample], { name, clipLow: 0.8, clipHigh: 1.2 });
  await policy.optimStep({ learningRate: 0.01, beta1: 0.8, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 });
  const snapshot = await policy.publish(1);
  if (snapshot.kind !== 'engine') throw new TypeError('expected an engine');
  const request = { input: { prompt: sample.tokens }, choices: 2, maxTokens: 4, seed: 3, temperature: 0.7 };
  await collectGeneration(snapshot.engine, request);
  await policy.forwardBase([sample]);
  await policy.saveState(join(root, 'state'));
  await policy.loadState(join(root, 'state'));
  await backend.close();
}

/** Without labels, ids that servers or clients make up, the number from which samples are counted, and fields at the value that leaving them out means. */
function essence(request: JsonValue): JsonValue {
  const { seq_id: _, ...sample } = request as { readonly [field: string]: JsonValue };
  const body = sample['type'] === 'sample' ? sample : request;
  const dropped = [
    'tags',
    'user_metadata',
    'sdk_version',
    'session_id',
    'model_id',
    'sampling_session_id',
    'base_model',
  ];
  const isDefault = (name: string, value: unknown): boolean =>
    value === null ||
    (name === 'prompt_logprobs' && value === false) ||
    (name === 'topk_prompt_logprobs' && value === 0) ||
    (name === 'overwrite' && value === false) ||
    (name === 'path' && typeof value === 'string') ||
    (name === 'seed' && value === 1); // of adapters: the SDK leaves it out when it loads a state
  return JSON.parse(
    JSON.stringify(body, (name, value: unknown) =>
      dropped.includes(name) || isDefault(name, value) ? undefined : value,
    ),
  ) as JsonValue;
}

describe('the requests of our client', () => {
  it('have the bodies that the official Python SDK sends for the same samples', async () => {
    const text = await readFile(new URL('__fixtures__/tinker-sdk.json', import.meta.url), 'utf8');
    const { exchanges } = JSON.parse(text) as ExchangeFixture;
    const isOperation = (route: string): boolean =>
      !['client/config', 'weights_info', 'retrieve_future', 'unload_model', 'get_server_capabilities'].includes(route);
    const sdk = exchanges
      .map(({ path, request }) => ({ route: path.replace('/api/v1/', ''), body: essence(request) }))
      .filter(({ route }) => isOperation(route));
    await driveClient();
    const ours = server.calls
      .map(({ route, body }) => ({ route, body: essence(body as unknown as JsonValue) }))
      .filter(({ route }) => isOperation(route));
    expect(ours).toEqual(sdk);
  });
});
