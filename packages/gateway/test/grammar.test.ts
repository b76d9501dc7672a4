import { attributeNames as names } from '@agent-lightning/core';
import type { ChatRequest, ScriptedReply } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll } from './harness.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);

const asked = {
  model: 'policy',
  messages: [{ role: 'user' as const, content: 'Reply.' }],
  response_format: { type: 'json_object' as const },
};
const isProbe = ({ messages }: ChatRequest): boolean => messages[0]?.content === 'Say hello.';

/** Answers the gateway's question in one way, and everything else by an object. */
function serve(answer: ScriptedReply): (request: ChatRequest) => ScriptedReply {
  return (request) => (isProbe(request) ? answer : { content: '{}' });
}

describe('a call under a grammar', () => {
  it('is trained on where the server reports what it samples, which it is asked once', async () => {
    const { client, server, finish } = await startScripted(serve({ content: '7', logprobs: [-1e-6, -0.7] }), {
      sampling: { train: { structuredOutput: 'grammar' } },
    });
    await Promise.all([client.chat.completions.create(asked), client.chat.completions.create(asked)]);
    const bodies = server.calls.map(({ body }) => body as unknown as ChatRequest);
    expect(bodies.filter(isProbe)).toHaveLength(1);
    for (const body of bodies.filter((each) => !isProbe(each)))
      expect(body).toMatchObject({ response_format: asked.response_format });
    for (const { attributes } of await finish()) {
      expect(attributes[names.structuredOutput]).toBe('grammar');
      expect(attributes).not.toHaveProperty(names.untrainable);
    }
  });

  it.each<[string, ScriptedReply, RegExp]>([
    [
      'reports what came before the grammar',
      { content: '7', logprobs: [-9.25, 0] },
      /log-probability of -9\.25 for a token/u,
    ],
    ['decodes under no grammar', { content: 'Hello!' }, /answered "Hello!" where a grammar allows nothing but 7/u],
    ['says nothing', { content: '', reasoning: 'Hm, I' }, /answered ".*" where a grammar/u],
    ['reports no log-probabilities', { content: '7', rewrite: withoutLogprobs }, /reports no log-probabilities/u],
    [
      'fails',
      { fault: { type: 'status', status: 400, message: 'no such format' } },
      /could not be asked: .*no such format/u,
    ],
  ])('is answered and not trained on, by name, where the server %s', async (_what, answer, reason) => {
    const { client, server, finish, gateway } = await startScripted(serve(answer), {
      sampling: { train: { structuredOutput: 'grammar' } },
    });
    const reply = await client.chat.completions.create(asked);
    expect(reply.choices[0]?.message.content).toBe('{}');
    const [span] = await finish();
    expect(span?.attributes[names.untrainable]).toMatch(reason);
    expect(span?.attributes[names.untrainable]).toContain(server.baseUrl);
    expect(span?.attributes[names.untrainable]).toContain('`response_format`');
    expect(gateway.statistics.untrainable).toEqual({ grammar: 1 });
  });

  it('asks again a server that could not be asked', async () => {
    let isAway = true;
    const { client, finish } = await startScripted(
      (request) => {
        if (!isProbe(request)) return { content: '{}' };
        return isAway ? { fault: { type: 'status', status: 400 } } : { content: '7', logprobs: [0, 0] };
      },
      { sampling: { train: { structuredOutput: 'grammar' } } },
    );
    await client.chat.completions.create(asked);
    isAway = false;
    await client.chat.completions.create(asked);
    const spans = await finish();
    expect(spans.map(({ attributes }) => names.untrainable in attributes)).toEqual([true, false]);
  });

  it('that no prompt can ask for is not trained on, and says what to do', async () => {
    const { client, server, finish } = await startScripted(() => ({ content: '{}' }));
    const structural = { ...asked, response_format: undefined, structured_outputs: { structural_tag: '{"a":1}' } };
    await client.chat.completions.create(structural as never);
    expect(server.calls).toHaveLength(1);
    const [span] = await finish();
    expect(span?.attributes[names.untrainable]).toMatch(/`structured_outputs`.*cannot be asked for in a prompt/u);
  });

  it.each(['train', 'val'] as const)(
    'is asked for in the prompt in %s mode, so that validation measures what is trained',
    async (mode) => {
      const { client, server, finish } = await startScripted(() => ({ content: '{}' }), { mode });
      await client.chat.completions.create({ ...asked, messages: [{ role: 'user', content: 'Go.' }] });
      expect(server.calls[0]?.body).toMatchObject({
        messages: [{ role: 'system', content: expect.stringContaining('one JSON object') }, { content: 'Go.' }],
        temperature: mode === 'train' ? 1 : 0,
      });
      expect((await finish())[0]?.attributes[names.structuredOutput]).toBe('prompt');
    },
  );

  it('is left as it is in test mode, as live traffic is, and asks its server nothing', async () => {
    const { client, server, finish } = await startScripted(() => ({ content: '{}' }), { mode: 'test' });
    await client.chat.completions.create(asked);
    expect(server.calls.map(({ body }) => body)).toMatchObject([
      { messages: asked.messages, response_format: asked.response_format },
    ]);
    const [span] = await finish();
    expect(span?.attributes[names.untrainable]).toMatch(/^grammar: .*test mode leaves it to the server/u);
  });

  it('is asked for in the prompt of an engine in this process in test mode too, for it has no grammars', async () => {
    const { gateway, client, finish } = await startHarness({ mode: 'test' });
    const engine = new FakeEngine({});
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    await client.chat.completions.create(asked);
    expect(engine.requests[0]?.input).toMatchObject({ messages: [{ role: 'system' }, { role: 'user' }] });
    expect((await finish())[0]?.attributes).not.toHaveProperty(names.untrainable);
  });

  it('refuses another way', async () => {
    await expect(startHarness({ sampling: { val: { structuredOutput: 'schema' as never } } })).rejects.toThrow(
      /sampling\.val\.structuredOutput must be one of prompt, grammar; got "schema"/u,
    );
  });
});

function withoutLogprobs(payload: Record<string, unknown>): Record<string, unknown> {
  const [choice] = payload['choices'] as readonly object[];
  return { ...payload, choices: [{ ...choice, logprobs: null }] };
}
