import { startModelServer, type ChatRequest, type ModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { createSqlAgent } from './agent.ts';
import { allQuestions } from './questions.ts';

const task = allQuestions().find(({ database, kind }) => database === 'cars' && kind === 'superlative')!;
let server: ModelServer | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
});

/** The agent, on a model that says these texts in turn. */
async function agentThatHears(...replies: string[]) {
  server = await startModelServer({ respond: replies });
  vi.stubEnv('OPENAI_BASE_URL', server.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
  return createSqlAgent();
}

const ask = { database: task.database, question: task.question };
const messagesOf = (call: number) => (server!.calls[call]!.body as unknown as ChatRequest).messages;

describe('the SQL agent', () => {
  it('writes a query, runs it, has it checked, and ends', async () => {
    const agent = await agentThatHears(task.gold, 'ok');
    const { query, answer, turns } = await agent.invoke(ask);
    expect({ query, turns }).toEqual({ query: task.gold, turns: 1 });
    expect(answer).toMatch(/^1 row, first: \w+$/);
    expect(messagesOf(0)).toEqual([
      { role: 'system', content: 'Write one SQLite query for cars(model, color, fuel, price, speed).' },
      { role: 'user', content: task.question },
    ]);
    expect(JSON.stringify(messagesOf(1))).toContain(`1 row, first: `);
  });

  it('rewrites what the database refuses, without asking the checker', async () => {
    const agent = await agentThatHears('SELECT nme FROM cars', task.gold);
    const { query, turns } = await agent.invoke(ask);
    expect({ query, turns }).toEqual({ query: task.gold, turns: 2 });
    expect(messagesOf(1).slice(2)).toEqual([
      { role: 'assistant', content: 'SELECT nme FROM cars' },
      { role: 'user', content: 'Rewrite it: Error: no such column: nme' },
    ]);
    expect(server?.calls).toHaveLength(2);
  });

  it('rewrites what the checker does not like', async () => {
    const agent = await agentThatHears('SELECT * FROM cars', 'rewrite: too many columns', task.gold);
    expect(await agent.invoke(ask)).toMatchObject({ query: task.gold, feedback: 'too many columns', turns: 2 });
  });

  it('gives up after its last turn', async () => {
    const agent = await agentThatHears('SELECT', 'SELECT x', 'SELECT y');
    expect(await agent.invoke(ask)).toMatchObject({ query: 'SELECT x', answer: 'Error: no such column: x', turns: 2 });
    expect(server?.calls).toHaveLength(2);
  });

  it('never sees the ground truth', async () => {
    const agent = await agentThatHears('SELECT nme FROM cars', 'SELECT 1');
    const state = await agent.invoke({ ...task });
    expect(JSON.stringify(state)).not.toContain(task.gold);
    expect(JSON.stringify(server?.calls.map(({ body }) => body))).not.toContain(task.gold);
  });
});
