import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

import { resolveContextLength, resolveOptions, type EmbeddedOptions } from './options.ts';

describe('resolveOptions', () => {
  it('fills defaults and freezes', () => {
    const options = resolveOptions({ model: './model' });
    expect(options).toMatchObject({
      model: resolve('model'),
      contextLength: undefined,
      simd: 'auto',
      wideKernels: false,
    });
    expect(options.threads).toBeGreaterThanOrEqual(1);
    expect(Object.isFrozen(options)).toBe(true);
    expect(options.adaptation).toBeUndefined();
  });

  it('fills the defaults of lora, which are those of gpu', () => {
    const defaults = { rank: 32, alpha: 32, trainAttention: true, trainMlp: true, trainUnembed: false };
    expect(resolveOptions({ model: './model', lora: {} }).adaptation).toEqual({ ...defaults, frozenType: 'bfloat16' });
    const exact = resolveOptions({ model: './model', lora: { rank: 4, trainMlp: false }, dtype: 'float32' });
    expect(exact.adaptation).toEqual({ ...defaults, rank: 4, trainMlp: false, frozenType: 'float32' });
    expect(resolveOptions({ model: './model', lora: 'full', dtype: 'float32' }).adaptation).toBeUndefined();
  });

  it.each<[string, object]>([
    ['model must be the path of a model directory; got ""', { model: '' }],
    ['threads must be a whole number from 1 to 16; got 0', { threads: 0 }],
    ['threads must be a whole number from 1 to 16; got 17', { threads: 17 }],
    ['contextLength must be a whole number from 2; got 1', { contextLength: 1 }],
    ['simd must be one of auto, relaxed, plain; got "avx"', { simd: 'avx' }],
    ['wideKernels must be true or false; got yes', { wideKernels: 'yes' }],
    ["simd must be 'auto' or nothing beside wideKernels: true; got plain", { simd: 'plain', wideKernels: true }],
    ["lora must be 'full' or an object such as { rank: 32 }; got half", { lora: 'half' }],
    ['lora.rank must be a whole number from 1 to 512; got 0', { lora: { rank: 0 } }],
    ['lora.alpha must be a positive number; got -1', { lora: { alpha: -1 } }],
    ['lora.trainMlp must be true or false; got 1', { lora: { trainMlp: 1 } }],
    ['lora.trainAttention must be true, or one of', { lora: { trainMlp: false, trainAttention: false } }],
    ['lora has no option "ranks"; did you mean "rank"?', { lora: { ranks: 8 } }],
    ['dtype must be one of auto, bfloat16, float32; got "int8"', { lora: {}, dtype: 'int8' }],
    ["dtype must be 'auto' or 'float32' without lora: weights train in float32; got bfloat16", { dtype: 'bfloat16' }],
    ['no option "thread"; did you mean "threads"?', { thread: 2 }],
  ])('names what is not usable: %s', (message, change) => {
    const resolveChanged = (): unknown => resolveOptions({ model: './model', ...change } as EmbeddedOptions);
    expect(resolveChanged).toThrow(message);
    expect(resolveChanged).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });
});

describe('resolveContextLength', () => {
  it('takes the smaller one, and refuses more than the model has', () => {
    expect(resolveContextLength(undefined, 64)).toBe(64);
    expect(resolveContextLength(32, 64)).toBe(32);
    expect(() => resolveContextLength(65, 64)).toThrow(/at most the model's max_position_embeddings, 64/);
  });
});
