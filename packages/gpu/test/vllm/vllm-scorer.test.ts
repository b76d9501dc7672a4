import { afterEach, describe, expect, it } from 'vitest';
import { createVllmScorer } from '../../src/index.ts';
import { startFakeVllm, type FakeVllm } from '../fakes/fake-vllm.ts';

let vllm: FakeVllm;
afterEach(() => vllm.close());

const tokens = Int32Array.of(3, 4);

describe('a scorer', () => {
  it('is broken off by a signal while the server works, and says so', async () => {
    const controller = new AbortController();
    vllm = await startFakeVllm({
      measurePrompt: () => {
        controller.abort();
        return [-1];
      },
    });
    const score = createVllmScorer({ baseUrl: vllm.baseUrl, model: 'base-model' });
    await expect(score(tokens, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(vllm.calls).toHaveLength(1);
  });

  it('asks a server that is away again, and only once where it is not to wait', async () => {
    vllm = await startFakeVllm();
    const score = createVllmScorer({ baseUrl: vllm.baseUrl, model: 'base-model' });
    vllm.dropNext('/v1/completions');
    expect(await score(tokens)).toMatchObject({ logprobs: Float32Array.of(0, -1) });
    await vllm.lose();
    const refused = { code: 'backend-failed', message: expect.stringContaining('does not answer /v1/completions') };
    await expect(score(tokens, { awayTimeoutMs: 0 })).rejects.toMatchObject(refused);
  });

  it('shows what a server refuses, whatever the signal', async () => {
    vllm = await startFakeVllm({ apiKey: 'key' });
    const score = createVllmScorer({ baseUrl: vllm.baseUrl, model: 'base-model' });
    await expect(score(tokens, { signal: new AbortController().signal })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });
});
