import type { PolicySnapshot, Span } from '@agent-lightning/core';
import { startModelServer, type ModelServer, type Responder } from '@agent-lightning/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { onStop, startHarness, stopAll, type Harness } from './harness.ts';

const messages = [{ role: 'user' as const, content: 'count to five' }];
const model = 'agl-1234abcd-policy-v3';

/** Answers for one adapter, and as vLLM does for one that it does not have. */
const respond: Responder = (request) => {
  if (request.model === model) return { content: 'one two three four five', chunkTokens: [1, 2] };
  const message = `The model \`${String(request.model)}\` does not exist.`;
  const body = JSON.stringify({ error: { message, type: 'NotFoundError', param: null, code: 404 } });
  return { fault: { type: 'status', status: 404, body } };
};

let server: ModelServer;
let snapshot: PolicySnapshot;
beforeEach(async () => {
  server = await startModelServer({ apiKey: 'key', respond });
  onStop(() => server.close());
  snapshot = { kind: 'openai', version: 3, baseUrl: server.baseUrl, model, apiKey: 'key' };
});
afterEach(stopAll);

const start = async (): Promise<Harness> => {
  const harness = await startHarness();
  harness.gateway.publish('policy', snapshot);
  return harness;
};
const capturedOf = ({ tokens, attributes }: Span): object => ({
  prompt: tokens?.prompt,
  response: tokens?.response,
  logprobs: tokens?.logprobs,
  untrainable: attributes['agentlightning.untrainable'],
});

describe('a policy on vLLM', () => {
  it('gives the same tokens and log-probabilities streamed as whole', async () => {
    const { client, finish } = await start();
    const whole = await client.chat.completions.create({ model: 'policy', messages });
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model: 'policy', messages, stream: true })) {
      expect(chunk).not.toHaveProperty('prompt_token_ids');
      expect(chunk.choices[0] ?? {}).not.toHaveProperty('token_ids');
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    const [first, second] = (await finish()).map(capturedOf);
    expect(second).toEqual(first);
    expect(first).toMatchObject({
      prompt: expect.any(Int32Array),
      response: { length: 6 },
      logprobs: { length: 6 },
      untrainable: undefined,
    });
  });

  it('samples from its own distribution in training, whatever the agent asks for', async () => {
    const { client, finish } = await start();
    const asked = { top_p: 0.5, presence_penalty: 1, frequency_penalty: 1, temperature: 0.2, logit_bias: { 5: 10 } };
    await client.chat.completions.create({ model: 'policy', messages, ...asked });
    const body = server.calls.at(-1)?.body;
    expect(body).toMatchObject({
      model,
      temperature: 1,
      top_p: 1,
      top_k: -1,
      min_p: 0,
      repetition_penalty: 1,
      logprobs: true,
      return_token_ids: true,
    });
    const { presence_penalty: presence, frequency_penalty: frequency, ...others } = body as Record<string, unknown>;
    expect([presence ?? 0, frequency ?? 0]).toEqual([0, 0]);
    expect(others).not.toHaveProperty('logit_bias');
    expect(await finish()).toHaveLength(1);
  });

  it('names the adapter that is gone, and trains on no such call', async () => {
    const { client, gateway, finish } = await start();
    gateway.publish('policy', { ...snapshot, version: 4, model: 'agl-1234abcd-policy-v4' } as PolicySnapshot);
    await expect(client.chat.completions.create({ model: 'policy', messages })).rejects.toThrow(
      /agl-1234abcd-policy-v4/,
    );
    expect((await finish())[0]?.status.code).toBe('error');
  });
});
