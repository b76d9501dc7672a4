/**
 * Trains with a real SkyRL, which is heavy to install and so is started by hand; without it this test is skipped.
 *
 *     AGENT_LIGHTNING_SKYRL=http://127.0.0.1:8000 npm run test:full -- --only tests-tinker
 *
 * The server must serve the model in `examples/sql-agent/model`, as `--base-model` of its own or a copy. docs/gpu.md says how to start one without a GPU.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendChecks, type TrainingSample } from '@agent-lightning/core';
import { collectGeneration } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinker } from '../src/index.ts';

const url = process.env['AGENT_LIGHTNING_SKYRL'];
const tokenizer = fileURLToPath(new URL('../../../examples/sql-agent/model', import.meta.url));
const reason = url === undefined ? ' (skipped: AGENT_LIGHTNING_SKYRL names no server)' : '';

describe.skipIf(url === undefined)(`a real SkyRL server${reason}`, () => {
  let directory: string;
  const log: string[] = [];
  const write = (line: string): void => void log.push(line);
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'skyrl-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** Asks the server for its one model. */
  async function servedModel(): Promise<string> {
    const answer = await fetch(`${url}/api/v1/get_server_capabilities`);
    const { supported_models: models } = (await answer.json()) as { supported_models: { model_name: string }[] };
    return models[0]!.model_name;
  }

  it('learns a sequence, samples it, and goes on from a saved state as before', async () => {
    await using backend = tinker({
      serverKind: 'skyrl',
      url: url!,
      model: await servedModel(),
      tokenizer,
      lora: { rank: 8 },
      logger: { info: write, warn: write, error: write },
    });
    const { fixedAdam } = await backend.capabilities();
    const adam = { ...backendChecks.adamDefaults, ...fixedAdam, learningRate: 0.01 };
    const policy = await backend.createPolicy({ name: 'writer', seed: 1 });
    const losses: number[] = [];
    for (let step = 0; step < 12; step += 1) {
      const { loss } = await policy.forwardBackward([sample], { name: 'cross_entropy' });
      losses.push(loss);
      expect((await policy.optimStep(adam)).gradientNorm).toBeGreaterThan(0);
    }
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 4);

    const snapshot = await policy.publish(1);
    if (snapshot.kind !== 'engine') throw new TypeError('expected an engine');
    const request = { input: { prompt: sample.tokens.slice(0, 2) }, maxTokens: 6, temperature: 1, seed: 3, choices: 2 };
    const { choices } = await collectGeneration(snapshot.engine, request);
    const [learned] = await policy.forward([sample]);
    // What is sampled is what was learned, with the log-probability that the trainer has for it.
    const first = choices.filter(({ tokens }) => tokens[0] === sample.tokens[2]);
    expect(first.length).toBeGreaterThan(0);
    for (const { logprobs } of first) expect(logprobs[0]).toBeCloseTo(learned![2]!, 2);

    await policy.saveState(join(directory, 'state'));
    const before = await policy.forward([sample]);
    await policy.forwardBackward([sample], { name: 'importance_sampling' });
    await policy.optimStep(adam);
    expect(await policy.forward([sample])).not.toEqual(before);
    await policy.loadState(join(directory, 'state'));
    expect(await policy.forward([sample])).toEqual(before);
    await policy.discardState!(join(directory, 'state'));
    expect(log.filter((line) => line.includes('stay on the server'))).toEqual([]);
  }, 1_800_000);
});

/** One sequence of 8 tokens, of which the last 6 are trained with a weight of 1. */
const sample: TrainingSample = {
  tokens: Int32Array.of(2, 599, 522, 268, 453, 264, 86, 34),
  lossMask: Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 1),
  logprobs: Float32Array.of(0, 0, -1, -1, -1, -1, -1, -1),
  advantages: Float32Array.of(0, 0, 1, 1, 1, 1, 1, 1),
};
