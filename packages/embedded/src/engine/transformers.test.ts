import { readFileSync } from 'node:fs';
import type { TrainingSample } from '@agent-lightning/core';
import type { JsonObject } from '@agent-lightning/text';
import { afterEach, describe, expect, it } from 'vitest';
import { randomStream } from '../../test/naive-llama.ts';
import { readModelConfig } from '../checkpoint/model-config.ts';
import { adapterShapes, type Adaptation } from '../model/adaptation.ts';
import { parameterShapes, type Shapes } from '../model/parameter-shapes.ts';
import { LlamaEngine } from './llama-engine.ts';

/** What transformers and PEFT computed, by tools/reference/make_family_fixture.py. Gradients are base64 of little-endian float32. */
interface Computed {
  readonly loss: number;
  readonly logprobs: readonly (readonly number[])[];
  /** Twelve tokens after the first nine of the first row. */
  readonly greedy: readonly number[];
  readonly gradients: Readonly<Record<string, string>>;
}

interface Case {
  readonly name: string;
  /** `config.json` as transformers writes it. */
  readonly config: JsonObject;
  readonly weightSeed: number;
  readonly adapterSeed: number;
  readonly rows: readonly Record<keyof TrainingSample, readonly number[]>[];
  readonly full: Computed;
  readonly lora: Computed;
}

const { cases, adaptation } = JSON.parse(
  readFileSync(new URL('../../test/__fixtures__/family.json', import.meta.url), 'utf8'),
) as { cases: Case[]; adaptation: Adaptation };

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

describe.each(cases)('$name', ({ config: json, weightSeed, adapterSeed, rows, full, lora }) => {
  const config = readModelConfig(json, 'config.json');
  const weights = fill(parameterShapes(config), weightSeed, 0.5);
  const samples: TrainingSample[] = rows.map((row) => ({
    tokens: Int32Array.from(row.tokens),
    lossMask: Uint8Array.from(row.lossMask),
    logprobs: Float32Array.from(row.logprobs),
    advantages: Float32Array.from(row.advantages),
  }));

  it('computes what transformers computes: log-probabilities, loss, gradients and a greedy answer', async () => {
    const engine = await LlamaEngine.create({ config, weights, threads: 2 });
    engines.push(engine);
    await expectSame(engine, samples, full);
  });

  it('computes what PEFT computes with adapters', async () => {
    const engine = await LlamaEngine.create({ config, weights, threads: 2, adaptation });
    engines.push(engine);
    await engine.loadWeights(fill(adapterShapes(config, adaptation), adapterSeed, 0.6));
    await expectSame(engine, samples, lora);
  });
});

async function expectSame(engine: LlamaEngine, samples: readonly TrainingSample[], expected: Computed): Promise<void> {
  const { loss, logprobs } = await engine.forwardBackward(samples, { name: 'cross_entropy' });
  expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected.loss)));
  for (const [i, { lossMask }] of samples.entries())
    for (const [t, mask] of lossMask.entries())
      expect(logprobs[i]![t]).toBeCloseTo(mask ? expected.logprobs[i]![t]! : 0, 4);
  const snapshot = engine.snapshot();
  const prompt = samples[0]!.tokens.slice(0, 9);
  const request = { weights: snapshot, prompt, choices: 1, temperature: 0, maxTokens: 12, stopTokens: [], seed: 0 };
  const tokens: number[] = [];
  for await (const piece of engine.sample(request)) tokens.push(...piece.tokens);
  expect(tokens).toEqual(expected.greedy);
  // The first moment at beta1 0 is the gradient.
  await engine.optimStep({ learningRate: 0, beta1: 0 });
  const gradients = engine.exportOptimizer().moments1;
  expect(Object.keys(expected.gradients).length).toBeGreaterThan(5);
  for (const [name, text] of Object.entries(expected.gradients)) {
    const values = new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
    const error = Math.max(...values.map((value, i) => Math.abs(value - gradients.get(name)![i]!)));
    expect(error / Math.max(...values.map(Math.abs)), name).toBeLessThan(2e-5);
  }
}

function fill(shapes: Shapes, seed: number, scale: number): Map<string, Float32Array> {
  const random = randomStream(seed);
  return new Map(
    [...shapes].map(([name, shape]) => {
      const length = shape.reduce((product: number, size) => product * size, 1);
      return [name, Float32Array.from({ length }, () => (name.includes('norm') ? 1 : 0) + scale * (random() - 0.5))];
    }),
  );
}
