import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveGpuOptions, type GpuOptions } from './gpu-options.ts';

const resolveOptions = (options: object, environment: NodeJS.ProcessEnv = {}): ReturnType<typeof resolveGpuOptions> =>
  resolveGpuOptions({ model: './qwen', ...options } as GpuOptions, environment);

describe('resolveGpuOptions', () => {
  it('says everything that the worker is started with', () => {
    const options = resolveOptions({ device: 'cuda:1', dtype: 'bfloat16', tokenBudget: 4_096, contextLength: 2_048 });
    expect(options.worker).toEqual({
      arguments: (
        `--model ${resolve('qwen')} --device cuda:1 --dtype bfloat16 ` +
        `--state-dir ${resolve('agent-lightning-worker-state')} --token-budget 4096 --max-context 2048`
      ).split(' '),
      python: undefined,
      startTimeoutMs: 600_000,
    });
    expect(options).toMatchObject({ lora: { rank: 32, trainUnembed: false }, timeoutMs: 1_800_000 });
    expect(Object.isFrozen(options)).toBe(true);
  });

  it('attaches to a worker by its URL, with a key from the environment', () => {
    const environment = { AGENT_LIGHTNING_WORKER_KEY: 'secret' };
    expect(resolveOptions({ url: 'http://127.0.0.1:8000' }, environment).worker).toEqual({
      url: 'http://127.0.0.1:8000',
      apiKey: 'secret',
      modelName: 'qwen',
    });
  });

  it.each<[RegExp, string, object]>([
    [/gpu has no option "modell"; did you mean "model"\?/, 'option-invalid', { modell: 'x' }],
    [/gpu: model/, 'option-invalid', { model: '' }],
    [/gpu: device/, 'option-invalid', { device: 'tpu' }],
    [/gpu: dtype/, 'option-invalid', { dtype: 'float16' }],
    [/gpu: tokenBudget/, 'option-invalid', { tokenBudget: 0 }],
    [/gpu: lora\.rank/, 'option-invalid', { lora: { rank: 1.5 } }],
    [/gpu: startTimeoutMs/, 'option-invalid', { startTimeoutMs: -1 }],
    [/apiKey is missing/, 'option-invalid', { url: 'http://127.0.0.1:8000' }],
    [/apiKey would be ignored/, 'option-unsupported', { apiKey: 'secret' }],
    [/device would be ignored/, 'option-unsupported', { url: 'http://127.0.0.1:8000', device: 'cpu', apiKey: 'k' }],
    [/stateDirectory would be ignored/, 'option-unsupported', { url: 'http://h', stateDirectory: 'x', apiKey: 'k' }],
  ])('names what is not usable: %s', (message, code, change) => {
    expect(() => resolveOptions(change)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
