import { describe, expect, it } from 'vitest';
import type { Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { layOutParameters } from '../model/parameter-layout.ts';
import { planMemory, trainingThreads, type MemoryPlan, type PlannedModel } from './memory-plan.ts';

const smol: LlamaConfig = {
  vocabSize: 49_152,
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  headSize: 64,
  maxPositions: 8192,
  ropeTheta: 100_000,
  rmsNormEpsilon: 1e-5,
  tieWordEmbeddings: true,
};
/** Qwen3-0.6B. */
const qwen: LlamaConfig = {
  ...smol,
  vocabSize: 151_936,
  hiddenSize: 1024,
  intermediateSize: 3072,
  layers: 28,
  heads: 16,
  keyValueHeads: 8,
  headSize: 128,
  queryKeyNorm: true,
};
const lora: Adaptation = {
  rank: 32,
  alpha: 32,
  trainAttention: true,
  trainMlp: true,
  trainUnembed: false,
  frozenType: 'bfloat16',
};

const modelOf = (config: LlamaConfig, adaptation: Adaptation | undefined, threads = 2): PlannedModel => ({
  config,
  adaptation,
  threads,
  layout: layOutParameters(config, adaptation),
});
const plan = (...parts: Parameters<typeof modelOf>): MemoryPlan => planMemory(modelOf(...parts));

describe('planMemory', () => {
  it('refuses to train all weights of 135 million, with the parts in MiB and what fits', () => {
    expect(() => plan(smol, undefined)).toThrow(
      /needs [\d,]+ MiB at a context of 8192 tokens \(weights [\d,]+ MiB, one gradient 514 MiB, AdamW's moments 1,027 MiB, .*can address 4,096 MiB\. Use lora: \{ rank: 32 \}, which needs [\d,]+ MiB, or the backend gpu\(\)\.$/,
    );
  });

  it('fits the same model with adapters, at its whole context', () => {
    const { pages, gradients } = plan(smol, lora);
    expect(gradients).toBe(2);
    expect(pages * 65_536).toBeLessThan(2 ** 32);
  });

  it('names the longest context that fits', () => {
    const [, longest] =
      /Use contextLength: (\d+), or the backend gpu\(\)/.exec(messageOf({ ...qwen, maxPositions: 40_960 })) ?? [];
    expect(Number(longest)).toBeGreaterThan(2048);
    expect(plan({ ...qwen, maxPositions: Number(longest) }, lora).gradients).toBeGreaterThan(0);
    expect(() => plan({ ...qwen, maxPositions: Number(longest) + 64 }, lora)).toThrow(/Use contextLength/);
  });

  it('has fewer gradients than threads where memory is short, and as many where it is not', () => {
    const large = { ...smol, vocabSize: 8192, layers: 18, maxPositions: 1024 };
    expect(plan(large, undefined, 1).gradients).toBe(1);
    const { gradients } = plan(large, undefined, 8);
    expect(gradients).toBeGreaterThanOrEqual(1);
    expect(gradients).toBeLessThan(8);
    expect(plan({ ...large, layers: 2 }, undefined, 8).gradients).toBe(8);
  });

  it('lets fewer threads train where samples are long, and always one', () => {
    const model = modelOf(smol, lora, 8);
    const memory = planMemory(model);
    const threads = [256, 2048, 4096, 8192].map((tokens) => trainingThreads(model, memory, tokens));
    expect(threads[0]).toBe(8);
    expect(threads).toEqual(threads.toSorted((a, b) => b - a));
    expect(threads.at(-1)).toBeLessThan(4);
    expect(threads.at(-1)).toBeGreaterThanOrEqual(1);
  });
});

function messageOf(config: LlamaConfig): string {
  try {
    plan(config, lora);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}
