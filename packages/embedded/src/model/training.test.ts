import type { Loss, TrainingRow } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import { naiveLogprobs, naiveModel, naiveRows, toFloat32, type NaiveWeights } from '../../test/naive-llama.ts';
import { LlamaEngine } from './llama-engine.ts';
import type { LlamaConfig, LlamaEngineOptions } from './llama-types.ts';

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function engineOf(model: { config: LlamaConfig; weights: NaiveWeights }, options?: Partial<LlamaEngineOptions>): Promise<LlamaEngine> {
  const engine = await LlamaEngine.create({ config: model.config, weights: toFloat32(model.weights), threads: 2, ...options });
  engines.push(engine);
  return engine;
}

/** The accumulated gradient: with beta1 0 the first moment is the gradient itself, and rate 0 leaves the weights. */
async function takeGradient(engine: LlamaEngine): Promise<Map<string, Float32Array>> {
  await engine.optimStep({ learningRate: 0, beta1: 0 });
  return engine.exportOptimizer().moments1;
}

const losses: readonly Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];

/** The loss as backend.ts defines it; `frozen` log-probabilities stand under stopGradient. */
function naiveLoss(loss: Loss, row: TrainingRow, now: readonly number[], frozen: readonly number[]): number {
  let total = 0;
  for (const [t, lp] of now.entries()) {
    if (row.lossMask[t] !== 1) continue;
    const a = row.advantages[t]!;
    const clip = (r: number): number => ('clipLow' in loss ? Math.min(Math.max(r, loss.clipLow), loss.clipHigh) : r);
    const ratio = Math.exp(lp - row.logprobs[t]!);
    if (loss.name === 'importance_sampling') total -= ratio * a;
    if (loss.name === 'ppo') total -= Math.min(ratio * a, clip(ratio) * a);
    if (loss.name === 'cispo') total -= clip(Math.exp(frozen[t]! - row.logprobs[t]!)) * lp * a;
    if (loss.name === 'cross_entropy') total -= a * lp;
  }
  return total;
}

describe.each([true, false])('the gradient with tied embeddings %s', (tied) => {
  const model = naiveModel({ seed: 7, tied });
  const rows = naiveRows(model.config, model.weights, [5, 14, 2, 9], 11);

  it.each(losses)('of $name agrees with finite differences in float64', async (loss) => {
    const engine = await engineOf(model);
    const result = await engine.forwardBackward(rows, loss);
    const frozen = rows.map((row) => naiveLogprobs(model.config, model.weights, row.tokens));
    const lossNow = (): number => rows.reduce((total, row, i) => total + naiveLoss(loss, row, naiveLogprobs(model.config, model.weights, row.tokens), frozen[i]!), 0);

    expect(result.loss).toBeCloseTo(lossNow(), 4);
    const gradient = await takeGradient(engine);
    for (const [name, values] of model.weights) {
      const largest = Math.max(...gradient.get(name)!.map(Math.abs));
      for (const index of [0, Math.floor(values.length / 2), values.length - 1]) {
        // Central differences in float64 err by about 1e-10 here; what is left is the engine's float32.
        const step = 1e-5;
        const old = values[index]!;
        values[index] = old + step;
        const above = lossNow();
        values[index] = old - step;
        const below = lossNow();
        values[index] = old;
        const error = Math.abs(gradient.get(name)![index]! - (above - below) / (2 * step));
        expect(error / Math.max(largest, 1e-3), `${name}[${index}]`).toBeLessThan(2e-5);
      }
    }
  });
});

describe('forward', () => {
  const model = naiveModel({ seed: 3, tied: false });
  const rows = naiveRows(model.config, model.weights, [100, 3, 49, 50, 97, 8, 130], 5);

  it('gives the log-probabilities of a naive float64 implementation where the mask is 1, else 0', async () => {
    const engine = await engineOf(model);
    const logprobs = await engine.forward(rows);
    for (const [i, row] of rows.entries()) {
      const expected = naiveLogprobs(model.config, model.weights, row.tokens);
      for (const t of row.tokens.keys()) expect(logprobs[i]![t]).toBeCloseTo(row.lossMask[t] ? expected[t]! : 0, 5);
    }
  });

  it('gives each row of a packed batch exactly what it gives the row alone', async () => {
    const engine = await engineOf(model);
    const packed = await engine.forward(rows);
    for (const [i, row] of rows.entries()) expect((await engine.forward([row]))[0]).toEqual(packed[i]);
  });
});
