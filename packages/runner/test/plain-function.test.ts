import { Gateway } from '@agent-lightning/gateway';
import { startModelServer } from '@agent-lightning/testing';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { MemoryStore } from '@agent-lightning/store';
import { Runner, type RolloutContext } from '../src/index.ts';
import { toEpisode } from '@agent-lightning/core';

const messages = [{ role: 'user' as const, content: 'q' }];

/** Asks with the official client. */
async function askClient({ llm }: RolloutContext): Promise<string> {
  const client = new OpenAI({ baseURL: llm.baseUrl, apiKey: llm.apiKey, maxRetries: 0 });
  const reply = await client.chat.completions.create({ model: llm.model, messages });
  return reply.choices[0]?.message.content ?? '';
}

/** Asks with nothing but fetch. */
async function askFetch({ llm }: RolloutContext): Promise<string> {
  const reply = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages }),
  });
  return ((await reply.json()) as OpenAI.ChatCompletion).choices[0]?.message.content ?? '';
}

it.each([
  ['the openai client', askClient],
  ['fetch', askFetch],
])('trains an agent that is a plain function with %s', async (_how, ask) => {
  const server = await startModelServer({ respond: () => 'forty two' });
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  gateway.publish('policy', { kind: 'openai', version: 4, baseUrl: server.baseUrl, model: 'served-model' });
  const runner = new Runner({
    store,
    gateway,
    rollout: async (_task, context) => ((await ask(context)) === 'forty two' ? 1 : 0),
  });
  try {
    const [queued] = await store.enqueue([{ input: null }]);
    const running = runner.run();
    const [ended] = await store.waitFor([queued!.rolloutId]);
    await runner.stop();
    await running;
    const spans = await store.querySpans({ rolloutIds: [queued!.rolloutId], includeTokens: true });
    const { reward, transitions } = toEpisode(ended!, spans);
    expect([ended!.status, reward]).toEqual(['succeeded', 1]);
    expect(transitions).toMatchObject([{ policy: 'policy', policyVersion: 4 }]);
    expect(transitions[0]!.responseIds.length).toBeGreaterThan(0);
    expect(server.calls.map(({ body }) => (body as { readonly model?: unknown }).model)).toEqual(['served-model']);
  } finally {
    await Promise.all([gateway.close(), store.close(), server.close()]);
  }
});
