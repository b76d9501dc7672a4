import { describe, expect, it } from 'vitest';
import { resolveVllm, type VllmOptions } from './vllm-options.ts';

describe('resolveVllm', () => {
  it('starts one by default, and leaves the worker its share of the GPU', () => {
    expect(resolveVllm({})).toMatchObject({
      kind: 'start',
      command: ['vllm'],
      gpuMemoryUtilization: 0.45,
      maxLoras: 4,
      liveSnapshots: 2,
      sleep: false,
    });
  });

  it('attaches to every replica, however its URL is written, with the key of the environment', () => {
    const url = ['http://a:8000/v1', 'https://b/'];
    expect(resolveVllm({ url }, { VLLM_API_KEY: 'key' })).toMatchObject({
      kind: 'attach',
      urls: ['http://a:8000', 'https://b'],
      apiKey: 'key',
    });
    expect(resolveVllm({ url, apiKey: 'own' }, { VLLM_API_KEY: 'key' })).toMatchObject({ apiKey: 'own' });
  });

  it('has room for one more version than are live', () => {
    expect(resolveVllm({ liveSnapshots: 6 })).toMatchObject({ maxLoras: 7 });
  });

  it.each<[object, string]>([
    [{ gpu: 1 }, 'vllm has no option "gpu"; it has'],
    [{ url: 'http://a', command: ['vllm'] }, 'vllm with a url has no option "command"; it has'],
    [{ url: 'ftp://a' }, 'vllm: url'],
    [{ url: [] }, 'vllm: url'],
    [{ url: ['http://a', 'http://a/v1'] }, 'a list of different ones'],
    [{ maxLoras: 2, liveSnapshots: 2 }, 'vllm: maxLoras must be above liveSnapshots, 2'],
    [{ gpuMemoryUtilization: Number.NaN }, 'vllm: gpuMemoryUtilization'],
    [{ gpuMemoryUtilization: 1.1 }, 'vllm: gpuMemoryUtilization'],
    [{ command: 'vllm' }, 'vllm: command'],
    [{ command: [''] }, 'vllm: command'],
    [{ port: 70_000 }, 'vllm: port'],
    [{ toolCallParser: 1 }, 'vllm: toolCallParser'],
    [{ args: '--max-num-seqs 8' }, 'vllm: args must be a list of words'],
    [{ args: ['--max-num-seqs', 8] }, 'vllm: args must be a list of words'],
    [{ env: { CUDA_VISIBLE_DEVICES: 1 } }, 'vllm: env.CUDA_VISIBLE_DEVICES must be a text; got a number'],
    [{ env: ['CUDA_VISIBLE_DEVICES=1'] }, 'vllm: env'],
    [{ env: null }, 'vllm: env'],
    [{ args: ['--max-loras=3'] }, 'args must not have --max-loras'],
    [{ sleep: 1 }, 'vllm: sleep'],
    [{ awayTimeoutMs: 0 }, 'vllm: awayTimeoutMs'],
  ])('names what is not usable: %o', (options, message) => {
    const resolve = (): unknown => resolveVllm(options as VllmOptions, {});
    expect(resolve).toThrow(message);
    expect(resolve).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });
});
