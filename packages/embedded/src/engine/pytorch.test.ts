import { readFileSync } from 'node:fs';
import type { AdamParameters, Loss, TrainingSample } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../test/naive-llama.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import { LlamaEngine } from './llama-engine.ts';

/** Two steps of PyTorch, by tools/reference/make_llama_fixture.py. Tensors are base64 of little-endian float32. */
interface Case {
  readonly name: string;
  readonly config: LlamaConfig;
  readonly weightSeed: number;
  readonly loss: Loss;
  readonly adam: AdamParameters;
  readonly rows: readonly (Record<'tokens' | 'lossMask' | 'logprobs' | 'advantages', readonly number[]> & {
    readonly temperature?: number;
  })[];
  readonly steps: readonly {
    readonly loss: number;
    readonly gradientNorm: number;
    readonly logprobs: readonly (readonly number[])[];
    readonly gradients?: Record<string, string>;
    readonly weights?: Record<string, string>;
  }[];
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../test/__fixtures__/llama-steps.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

function decode(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
}

function makeWeights({ config, weightSeed }: Case): Map<string, Float32Array> {
  const random = randomStream(weightSeed);
  return new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const length = shape.reduce((product: number, size) => product * size, 1);
      return [name, Float32Array.from({ length }, () => (name.includes('norm') ? 1 : 0) + 0.5 * (random() - 0.5))];
    }),
  );
}

/** The largest difference over the largest expected value. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  const error = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  return error / Math.max(...expected.map(Math.abs));
}

describe.each(cases)('two steps of AdamW on $name', (fixture) => {
  const rows: TrainingSample[] = fixture.rows.map((row) => ({
    tokens: Int32Array.from(row.tokens),
    lossMask: Uint8Array.from(row.lossMask),
    logprobs: Float32Array.from(row.logprobs),
    advantages: Float32Array.from(row.advantages),
    ...(row.temperature !== undefined && { temperature: row.temperature }),
  }));

  it.each(['auto', 'relaxed', 'plain'] as const)(
    'agree with PyTorch on %s kernels: log-probabilities, loss, gradients, clipping and weights',
    async (simd) => {
      const options = { config: fixture.config, weights: makeWeights(fixture), threads: 2, simd };
      const engine = await LlamaEngine.create(options);
      const probe = await LlamaEngine.create(options);
      for (const step of fixture.steps) {
        const result = await engine.forwardBackward(rows, fixture.loss);
        expect(Math.abs(result.loss - step.loss)).toBeLessThan(1e-5 * Math.max(1, Math.abs(step.loss)));
        for (const [i, row] of rows.entries()) {
          for (const [t, mask] of row.lossMask.entries())
            expect(result.logprobs[i]![t]).toBeCloseTo(mask ? step.logprobs[i]![t]! : 0, 5);
        }
        const { gradientNorm } = await engine.optimStep(fixture.adam);
        expect(gradientNorm! / step.gradientNorm).toBeCloseTo(1, 5);
        if (step.gradients) {
          // The first moment at beta1 0 is the gradient, unclipped.
          await probe.forwardBackward(rows, fixture.loss);
          await probe.optimStep({ learningRate: 0, beta1: 0 });
          const gradients = probe.exportOptimizer().moments1;
          for (const [name, text] of Object.entries(step.gradients))
            expect(relativeError(gradients.get(name)!, decode(text)), name).toBeLessThan(5e-6);
        }
        if (step.weights) {
          const weights = engine.exportWeights();
          for (const [name, text] of Object.entries(step.weights))
            expect(relativeError(weights.get(name)!, decode(text)), name).toBeLessThan(1e-5);
        }
      }
      await Promise.all([engine.close(), probe.close()]);
    },
  );
});
