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
  });

  it.each<[string, object]>([
    ['model must be the path of a model directory; got ""', { model: '' }],
    ['threads must be a whole number from 1 to 16; got 0', { threads: 0 }],
    ['threads must be a whole number from 1 to 16; got 17', { threads: 17 }],
    ['contextLength must be a whole number from 2; got 1', { contextLength: 1 }],
    ['simd must be one of auto, relaxed, plain; got "avx"', { simd: 'avx' }],
    ['wideKernels must be true or false; got yes', { wideKernels: 'yes' }],
    ["simd must be 'auto' or nothing beside wideKernels: true; got plain", { simd: 'plain', wideKernels: true }],
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
