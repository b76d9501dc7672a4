import { attributeNames as names } from '@agent-lightning/core';
import { tokenizeScripted } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll } from './harness.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);

describe('POST /v1/completions', () => {
  it('captures ids and log-probabilities from a server, streamed and not alike, and shows none of them', async () => {
    const { client, server, finish } = await startScripted(() => ({ content: 'select count(*) from singer' }));
    const asked = { model: 'policy', prompt: 'How many singers?', max_tokens: 20 };
    const whole = await client.completions.create(asked);
    let streamed = '';
    for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
      expect(JSON.stringify(chunk)).not.toMatch(/token_ids|token_logprobs|"usage":\{/u);
      streamed += chunk.choices[0]?.text ?? '';
    }
    expect(whole.choices[0]).toMatchObject({ text: 'select count(*) from singer', logprobs: null });
    expect(streamed).toBe('select count(*) from singer');
    expect(server.calls[0]).toMatchObject({
      path: '/v1/completions',
      body: { model: 'agl-run-v5', temperature: 1, top_p: 1, logprobs: 1, return_token_ids: true },
    });
    const [first, second] = await finish();
    expect([...(first?.tokens?.response ?? [])]).toEqual([
      ...tokenizeScripted('select count(*) from singer').map((token) => token.id),
      2,
    ]);
    expect(first?.attributes).toMatchObject({
      [names.operationName]: 'text_completion',
      [names.dialect]: 'completions',
      [names.inputMessages]: '[{"role":"user","content":"How many singers?"}]',
      [names.policyVersion]: 5,
    });
    expect(first?.attributes).not.toHaveProperty(names.untrainable);
    expect(second?.tokens).toEqual(first?.tokens);
    expect(second?.attributes[names.outputMessages]).toBe(first?.attributes[names.outputMessages]);
  });

  it('takes token ids as the prompt, and captures exactly those', async () => {
    const { client, finish } = await startScripted(() => 'ok');
    await client.completions.create({ model: 'policy', prompt: [5, 6, 7], n: 2 });
    const spans = await finish();
    // The first choice holds the prompt of all.
    expect(spans.map((span) => [...(span.tokens?.prompt ?? [])])).toEqual([[5, 6, 7], []]);
    expect(spans[1]?.attributes[names.promptSpan]).toBe(spans[0]?.spanId);
    expect(spans.every((span) => !(names.untrainable in span.attributes))).toBe(true);
  });

  it('asks an engine in this process, and gives what was asked for', async () => {
    const { gateway, client, finish } = await startHarness();
    const engine = new FakeEngine();
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const asked = { model: 'policy', prompt: 'Once', max_tokens: 4, logprobs: 0, return_token_ids: true };
    const whole = await client.completions.create(asked);
    expect(whole).toMatchObject({
      object: 'text_completion',
      choices: [
        {
          text: 'hello world',
          finish_reason: 'stop',
          token_ids: [1000, 1001],
          logprobs: { tokens: ['hello', ' world'], text_offset: [0, 5] },
        },
      ],
      usage: { completion_tokens: 2 },
    });
    let text = '';
    const ids: number[] = [];
    for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
      ids.push(...((chunk.choices[0] as { token_ids?: number[] } | undefined)?.token_ids ?? []));
    }
    expect(text).toBe('hello world');
    expect(ids).toEqual([1000, 1001]);
    expect(engine.requests[0]?.input).toEqual({ prompt: 'Once' });
    const [first, second] = await finish();
    expect(second?.tokens).toEqual(first?.tokens);
  });

  it.each([
    [{ echo: true }, 'echo'],
    [{ best_of: 3 }, 'best_of'],
    [{ prompt: ['one', 'two'] }, 'prompt'],
    [{ prompt: '' }, 'prompt'],
    [{ prompt: [-1] }, 'prompt'],
    [{ logprobs: true }, 'logprobs'],
  ])('refuses %j, naming the field', async (fields, param) => {
    const { post } = await startScripted();
    const response = await post({ model: 'policy', prompt: 'a', ...fields }, { path: '/completions' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param, code: 'request-invalid' } });
  });
});
