import { describe, expect, it } from 'vitest';
import { toAdamParams } from './adam.ts';
import { serverKinds } from './server-kinds.ts';
import { resolveTinkerOptions, type TinkerOptions } from './tinker-options.ts';

const minimal = { url: 'https://example.org/tinker/', model: 'Qwen/Qwen3-4B', tokenizer: './qwen', apiKey: 'key' };
const resolve = (change: object, environment: NodeJS.ProcessEnv = {}): ReturnType<typeof resolveTinkerOptions> =>
  resolveTinkerOptions({ ...minimal, ...change } as TinkerOptions, environment);

describe('resolveTinkerOptions', () => {
  it('fills defaults and freezes', () => {
    const options = resolve({});
    expect(options).toMatchObject({
      url: 'https://example.org/tinker',
      timeoutMs: 1_800_000,
      retryForMs: 300_000,
      serverAdam: {},
      lora: { rank: 32, trainUnembed: true },
    });
    expect(options.serverKind).toBe('tinker');
    expect(Object.isFrozen(options)).toBe(true);
  });

  it('takes the key and the URL from the environment', () => {
    const environment = { TINKER_API_KEY: 'secret', TINKER_BASE_URL: 'http://127.0.0.1:9' };
    const options = resolveTinkerOptions({ model: 'm', tokenizer: 't' }, environment);
    expect(options).toMatchObject({ apiKey: 'secret', url: 'http://127.0.0.1:9' });
  });

  it('asks no key of a server that has none', () => {
    expect(resolve({ serverKind: 'skyrl', apiKey: undefined }).apiKey).toBeUndefined();
  });

  it('gives the worker an output layer that is not trained, as vLLM wants it', () => {
    expect(resolve({ serverKind: 'worker' }).lora.trainUnembed).toBe(false);
  });

  it.each<[RegExp, string, object]>([
    [/tinker has no option "modle"; did you mean "model"\?/, 'option-invalid', { modle: 'm' }],
    [/url/, 'option-invalid', { url: 'ftp://example.org' }],
    [/url/, 'option-invalid', { url: 'https://me:secret@example.org' }],
    [/tinker: model/, 'option-invalid', { model: '' }],
    [/tokenizer/, 'option-invalid', { tokenizer: undefined }],
    [/apiKey is missing/, 'option-invalid', { apiKey: undefined }],
    [/serverKind/, 'option-invalid', { serverKind: 'verl' }],
    [/dialect is named serverKind; write serverKind: "skyrl"/, 'option-invalid', { dialect: 'skyrl' }],
    [/lora\.rank/, 'option-invalid', { lora: { rank: 0 } }],
    [/lora has no option "dropout"; it has/, 'option-invalid', { lora: { dropout: 0.1 } }],
    [/lora\.alpha would be ignored/, 'option-unsupported', { lora: { alpha: 16 } }],
    [/lora\.trainMlp would be ignored/, 'option-unsupported', { serverKind: 'skyrl', lora: { trainMlp: false } }],
    [/trains adapters only/, 'option-unsupported', { lora: 'full' }],
    [/serverAdam\.beta1 is given/, 'option-unsupported', { serverAdam: { beta1: 0.5 } }],
    [/serverAdam has no option "momentum"/, 'option-invalid', { serverKind: 'skyrl', serverAdam: { momentum: 1 } }],
    [/serverAdam\.beta1/, 'option-invalid', { serverKind: 'skyrl', serverAdam: { beta1: Number.NaN } }],
    [/timeoutMs/, 'option-invalid', { timeoutMs: 0 }],
    [/retryForMs/, 'option-invalid', { retryForMs: 0.5 }],
    [/contextLength/, 'option-invalid', { contextLength: 1 }],
  ])('names what is not usable: %s', (message, code, change) => {
    expect(() => resolve(change)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});

describe('toAdamParams', () => {
  const adam = { learningRate: 0.1, beta1: 0.8, epsilon: 1e-6, maxGradientNorm: 2 };

  it('sends everything that the server honours, defaults included', () => {
    expect(toAdamParams(adam, serverKinds.worker, {})).toEqual({
      learning_rate: 0.1,
      beta1: 0.8,
      beta2: 0.95,
      eps: 1e-6,
      weight_decay: 0,
      grad_clip_norm: 2,
    });
  });

  it('refuses by name what the server would ignore, with both values and the remedy', () => {
    const { serverAdam } = resolve({ serverKind: 'skyrl', serverAdam: { beta1: 0.8, beta2: 0.95 } });
    expect(() => toAdamParams(adam, serverKinds.skyrl, serverAdam)).toThrow(
      expect.objectContaining({
        code: 'option-unsupported',
        message: expect.stringMatching(/epsilon is 0\.000001.*says 1e-8.*serverAdam: \{ epsilon: 0\.000001 \}/),
      }),
    );
  });

  it('sends the learning rate alone when all else is as the server has it', () => {
    const { serverAdam } = resolve({ serverKind: 'skyrl' });
    expect(toAdamParams({ learningRate: 0.1, ...serverAdam }, serverKinds.skyrl, serverAdam)).toEqual({
      learning_rate: 0.1,
    });
  });
});
