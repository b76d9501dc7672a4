import { startModelServer, type ChatRequest, type ModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { answerQuestion, createShopAgent, instructions } from './agent.ts';
import { items } from './shop.ts';

const [item] = items;
let server: ModelServer | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
});

let ids = 0;
const look = (name: unknown) => ({ toolCalls: [{ id: `call_${++ids}`, name: 'look_up', arguments: { item: name } }] });

/** Asks the agent, on a model that says these replies in turn. */
async function ask(...replies: (string | ReturnType<typeof look>)[]): Promise<string> {
  server = await startModelServer({
    respond: replies.map((reply) => (typeof reply === 'string' ? { content: reply } : reply)) as never,
  });
  vi.stubEnv('OPENAI_BASE_URL', server.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
  return await answerQuestion(createShopAgent(), 'How many red chairs do we have?');
}

const messagesOf = (call: number) => (server!.calls[call]!.body as unknown as ChatRequest).messages;

describe('the shop agent', () => {
  it('looks an item up, and answers', async () => {
    expect(await ask(look('red chairs'), String(item!.count))).toBe(String(item!.count));
    expect(messagesOf(0)).toEqual([
      { role: 'system', content: instructions },
      { role: 'user', content: 'How many red chairs do we have?' },
    ]);
    expect(messagesOf(1).at(-1)).toMatchObject({ role: 'tool', content: JSON.stringify(item) });
  });

  it('answers without the tool, if its model does', async () => {
    expect(await ask('12')).toBe('12');
    expect(server!.calls).toHaveLength(1);
  });

  it('hears of an item that is not there, and of arguments that are none, and goes on', async () => {
    expect(await ask(look('red cars'), '0')).toBe('0');
    expect(messagesOf(1).at(-1)?.content).toBe('{"error":"no item red cars"}');
    await server!.close();
    expect(await ask(look(7), '0')).toBe('0');
    expect(messagesOf(1).at(-1)?.content).toMatch(/did not match expected schema/);
  });

  it('has no answer when it looks up to the end', async () => {
    expect(await ask(...Array.from({ length: 9 }, () => look('red chairs')))).toBe('');
  });
});
