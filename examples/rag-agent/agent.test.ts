import { startModelServer, type ChatRequest, type ModelServer, type ScriptedReply } from '@agent-lightning/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { createRagAgent, tinyInstructions } from './agent.ts';
import { documentsOf } from './library.ts';
import { library, validationQuestions, type Hop } from './questions.ts';
import { answerReward } from './reward.ts';
import { SearchIndex } from './search.ts';

const documents = [...documentsOf(library.train), ...documentsOf(library.heldOut)];
const index = new SearchIndex(documents);
const task = validationQuestions(0, 1)[0]!;
const [first, second] = task.hops;
const textOf = ({ word, title, found }: Hop): string => `The ${word} of ${title} is ${found}.`;
const queryOf = ({ word, title }: Hop): string => `${word} ${title}`;
let server: ModelServer | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
});

/** Returns the agent's answer, on a model that says these things in turn. */
async function answerOf(...replies: (ScriptedReply | string)[]): Promise<string> {
  server = await startModelServer({ respond: replies });
  vi.stubEnv('OPENAI_BASE_URL', server.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
  return (await createRagAgent(index).generate({ prompt: task.question })).text;
}

const search = (query: string): ScriptedReply => ({ toolCalls: [{ name: 'search', arguments: { query } }] });
const messagesOf = (call: number) => (server!.calls[call]!.body as unknown as ChatRequest).messages;

describe('the research agent', () => {
  it('searches, reads, searches for what it read, and answers', async () => {
    const text = await answerOf(search(queryOf(first)), search(queryOf(second)), `Answer: ${task.gold}`);
    expect(answerReward(task.gold, text)).toBe(1);
    expect(messagesOf(0)).toEqual([
      { role: 'system', content: tinyInstructions },
      { role: 'user', content: task.question },
    ]);
    const results = messagesOf(2).filter(({ role }) => role === 'tool');
    expect(results.map(({ content }) => String(content).split('\n')[0])).toEqual([textOf(first), textOf(second)]);
    expect(results.map(({ content }) => String(content).split('\n').length)).toEqual([2, 2]);
  });

  it('is told when nothing is found, and when its call cannot be read', async () => {
    const broken: ScriptedReply = { toolCalls: [{ name: 'search', arguments: '{"quer' }] };
    expect(await answerOf(search('xylophone'), broken, 'Answer: no')).toBe('Answer: no');
    expect(messagesOf(1).at(-1)).toMatchObject({ role: 'tool', content: 'nothing found' });
    expect(String(messagesOf(2).at(-1)?.content)).toMatch(/invalid|JSON/i);
  });

  it('gives up after its last step', async () => {
    expect(await answerOf(search('a'), search('b'), search('c'), search('d'))).toBe('');
    expect(server?.calls).toHaveLength(4);
  });

  it('sees the answer only where it is written', async () => {
    await answerOf(search('xylophone'), 'Answer: no');
    expect(JSON.stringify(server?.calls.map(({ body }) => body))).not.toContain(task.gold);
  });
});
