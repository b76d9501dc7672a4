import { withLightning } from '@agent-lightning/mastra';
import {
  agentNamesOf,
  outlineTrace,
  startModelServer,
  startTestRollout,
  type ChatRequest,
  type ModelServer,
} from '@agent-lightning/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { orders } from './shop.ts';
import { answerTicket, createSupportDesk } from './workflow.ts';

const order = orders.find(({ days }) => days > 60)!;
const ticket = { order: order.id, message: 'It is broken.' };
const open: ModelServer[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function startServer(name: string, ...replies: string[]): Promise<ModelServer> {
  const server = await startModelServer({
    respond: (_request, { index }) => ({ id: `${name}-${index}`, content: replies[index] ?? 'nothing' }),
  });
  open.push(server);
  return server;
}

/** The desk, on a model that says these texts in turn. */
async function deskThatHears(...replies: string[]) {
  const server = await startServer('own', ...replies);
  vi.stubEnv('OPENAI_BASE_URL', server.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
  return { desk: createSupportDesk(), server };
}

const messagesOf = (server: ModelServer, call: number) => (server.calls[call]!.body as unknown as ChatRequest).messages;

describe('the support desk', () => {
  it('classifies, looks up, drafts and checks', async () => {
    const { desk, server } = await deskThatHears('damaged', 'We repair it.', 'ok');
    expect(await answerTicket(desk, ticket)).toBe('We repair it.');
    const facts = `order ${order.id}: ${order.item}, ${order.euros} euros. policy: repair.`;
    expect(JSON.stringify(messagesOf(server, 1))).toContain(JSON.stringify(`It is broken.\n${facts}`).slice(1, -1));
    expect(JSON.stringify(messagesOf(server, 2))).toContain(JSON.stringify(`${facts}\nWe repair it.`).slice(1, -1));
    expect(server.calls).toHaveLength(3);
  });

  it('revises once what the checker does not like', async () => {
    const { desk, server } = await deskThatHears(
      'damaged',
      'Hm.',
      'revise: not the policy',
      'We repair it.',
      'revise: no',
    );
    expect(await answerTicket(desk, ticket)).toBe('We repair it.');
    expect(messagesOf(server, 3).map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(JSON.stringify(messagesOf(server, 3))).toContain('Revise it: not the policy');
    expect(server.calls).toHaveLength(4);
  });

  it('goes on with what it finds of an order or a topic that does not exist', async () => {
    const { desk, server } = await deskThatHears('weather', 'Sorry.', 'ok', 'damaged', 'Sorry.', 'ok');
    await answerTicket(desk, ticket);
    await answerTicket(desk, { ...ticket, order: 1 });
    expect(JSON.stringify(messagesOf(server, 1))).toContain('policy: ask a colleague.');
    expect(JSON.stringify(messagesOf(server, 4))).toContain('no such order.');
  });

  it('trains its writer only, in a trace that shows every step', async () => {
    const { desk, server: own } = await deskThatHears('damaged', 'revise: no amount');
    const policy = await startServer('policy', 'Hm.', 'We repair it.');
    withLightning(desk, { agentMatch: /^writer$/ });
    const rollout = startTestRollout(policy.baseUrl);
    expect(await rollout.run(() => answerTicket(desk, ticket))).toBe('We repair it.');
    expect(own.calls).toHaveLength(2);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['writer', 'support/answer/write/writer'],
      ['writer', 'support/answer/write/writer'],
    ]);
    const lines = outlineTrace(await rollout.spans(), { agents: [], layers: [] });
    expect(lines.filter((line) => !line.includes('tool_call'))).toEqual([
      'agent support',
      '  agent classify',
      '    agent triage',
      '      model_call own-0',
      '  agent gather',
      '  agent answer',
      '    agent write',
      '      agent writer',
      '        model_call policy-0',
      '    agent check',
      '      agent checker',
      '        model_call own-1',
      '  agent answer',
      '    agent write',
      '      agent writer',
      '        model_call policy-1',
      '    agent check',
    ]);
    expect((await rollout.spans('tool_call')).map(({ name }) => name).toSorted()).toEqual([
      'look_up_order',
      'look_up_policy',
    ]);
  });

  it('rejects when its model fails, and when it is aborted', async () => {
    const { desk, server } = await deskThatHears();
    server.respondWith(() => ({ fault: { type: 'status', status: 400, message: 'prompt too long' } }));
    await expect(answerTicket(desk, ticket)).rejects.toThrow('prompt too long');
    const controller = new AbortController();
    server.respondWith(() => {
      controller.abort();
      return 'damaged';
    });
    await expect(answerTicket(desk, ticket, controller.signal)).rejects.toThrow('canceled');
  });
});
