import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { naiveAdapters, naiveModel, naiveSamples, toFloat32 } from '../../test/naive-llama.ts';
import { webAssembly } from '../kernels/web-assembly.ts';
import { instantiateKernels } from '../kernels/kernels.ts';
import type { Adaptation } from '../model/adaptation.ts';
import { writeFrozen } from '../model/frozen-weights.ts';
import { reserveScratch } from '../model/frozen-scratch.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { rowStrides, type Model } from '../model/layer-forward.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { createModelMemory, type ModelMemory } from '../model/model-memory.ts';
import { layOutParameters } from '../model/parameter-layout.ts';
import { readTensors, writeTensors } from '../model/stored-tensors.ts';
import { toSource } from '../model/weight-source.ts';
import { flattenSamples } from './flat-samples.ts';
import { spaceBytes } from './training-space.ts';
import { TrainingWorker } from './training-worker.ts';

const module = new webAssembly.Module(readFileSync(new URL('../../wasm/llama-plain.wasm', import.meta.url)));
const adaptation: Adaptation = {
  rank: 4,
  alpha: 8,
  trainAttention: true,
  trainMlp: true,
  trainUnembed: false,
  frozenType: 'float32',
};

const alone = { thread: 0, threads: 1, makeRoom: () => false };

interface Trained {
  readonly logprobs: Float32Array;
  readonly loss: number;
  readonly gradient: Map<string, Float32Array>;
}

async function trainOn(
  shape: Parameters<typeof naiveModel>[0],
  lora: Adaptation | undefined,
  budget: number,
  shorten: (heap: SharedHeap) => () => boolean = () => alone.makeRoom,
): Promise<Trained> {
  const { config, weights } = naiveModel(shape);
  const layout = layOutParameters(config, lora);
  const memory = createModelMemory(config, layout, { pages: 400, gradients: 1 });
  if (lora) {
    await writeFrozen(memory, toSource(toFloat32(weights)));
    writeTensors(memory, memory.map.weights, toFloat32(naiveAdapters(config, lora, 3)));
  } else {
    writeTensors(memory, memory.map.weights, toFloat32(weights));
  }
  const model = modelOf(config, memory);
  const worker = new TrainingWorker(model, memory.heap, { ...alone, makeRoom: shorten(memory.heap) });
  worker.pack();
  const samples = flattenSamples(naiveSamples(config, weights, [30, 41, 7, 26], 2));
  const loss = { name: 'cross_entropy' } as const;
  const job = { kind: 'train', samples, forward: memory.map.forward, loss, budget } as const;
  const steps = worker.train(job);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return { ...step.value, gradient: readTensors(memory, memory.map.gradients[0]!) };
}

function modelOf(config: LlamaConfig, { memory, layout, map, heap }: ModelMemory): Model {
  const widths = rowStrides(config);
  return {
    kernels: instantiateKernels(module, memory),
    memory,
    config,
    layout,
    map,
    widths,
    scratch: reserveScratch(layout, heap),
  };
}

describe('a training pass', () => {
  it.each([
    ['all weights', { seed: 4, tied: true }, undefined],
    [
      'all weights, with norms and biases',
      { seed: 5, tied: false, config: { queryKeyNorm: true, attentionBias: true } },
      undefined,
    ],
    ['adapters', { seed: 6, tied: true, config: { queryKeyNorm: true } }, adaptation],
  ] as const)('of %s gives the same bit for bit when it computes layers again', async (_, shape, lora) => {
    const kept = await trainOn(shape, lora, Infinity);
    expect(await trainOn(shape, lora, 0)).toEqual(kept);
    expect(kept.loss).not.toBe(0);
  });

  it('gives the same where others have taken the memory and give only a part of it back', async () => {
    const shape = { seed: 4, tied: true, config: { layers: 8 } };
    const { config } = naiveModel(shape);
    const capacity = { tokens: 128, predictions: 128, keys: 64 };
    const enough = spaceBytes({ config, widths: rowStrides(config) }, capacity, true);
    const fill = (heap: SharedHeap): (() => boolean) => {
      let idle = heap.tryAllocate(enough);
      for (let size = 2 ** 24; size >= 64; size /= 2) while (heap.tryAllocate(size) !== undefined);
      return () => {
        if (idle === undefined) return false;
        heap.free(idle, enough);
        idle = undefined;
        return true;
      };
    };
    expect(await trainOn(shape, undefined, Infinity, fill)).toEqual(await trainOn(shape, undefined, Infinity));
    await expect(trainOn(shape, undefined, Infinity, (heap) => (fill(heap), () => false))).rejects.toThrow(
      /Training on \d+ tokens at once needs 1 MiB .* memory of 25 MiB has no such room left/,
    );
  });

  it('needs less memory when it computes layers again', () => {
    const { config } = naiveModel({ seed: 1, tied: true, config: { layers: 8 } });
    const shape = { config, widths: rowStrides(config) };
    const capacity = { tokens: 384, predictions: 384, keys: 384 };
    expect(spaceBytes(shape, capacity, true)).toBeLessThan(0.5 * spaceBytes(shape, capacity, false));
  });

  it('computes a large vocabulary in pieces, and each prediction as it does alone', async () => {
    const shape = {
      seed: 7,
      tied: true,
      config: { vocabSize: 400_003, layers: 1, hiddenSize: 8, heads: 1, keyValueHeads: 1 },
    };
    const { config, weights } = naiveModel(shape);
    const memory = createModelMemory(config, layOutParameters(config), { pages: 3000, gradients: 1 });
    writeTensors(memory, memory.map.weights, toFloat32(weights));
    const worker = new TrainingWorker(modelOf(config, memory), memory.heap, alone);
    worker.pack();
    const tokens = Int32Array.from({ length: 60 }, (_, t) => (t * 7_919) % config.vocabSize);
    const run = (first: number, end: number): Float32Array => {
      const lossMask = Uint8Array.from(tokens, (_, t) => (t >= first && t < end ? 1 : 0));
      const advantages = Float32Array.from(lossMask);
      const samples = flattenSamples([{ tokens, lossMask, logprobs: advantages, advantages }]);
      const loss = { name: 'cross_entropy' } as const;
      const steps = worker.train({ kind: 'train', samples, forward: memory.map.forward, loss, budget: Infinity });
      steps.next();
      return (steps.next() as { value: { logprobs: Float32Array } }).value.logprobs;
    };
    const normGradient = (): Float32Array => readTensors(memory, memory.map.gradients[0]!).get('model.norm.weight')!;
    const all = run(1, 60);
    const together = normGradient();
    worker.clear();
    for (const first of [1, 16, 31, 46]) {
      const end = Math.min(first + 15, 60); // one piece
      expect(run(first, end).subarray(first, end)).toEqual(all.subarray(first, end));
    }
    for (const [i, value] of normGradient().entries()) expect(value).toBeCloseTo(together[i]!, 4);
    expect(Math.max(...together.map(Math.abs))).toBeGreaterThan(0.1);
  });
});
