import { attributeNames, type JsonValue, seededRandom } from '@agent-lightning/core';
import { ChatTemplate } from '@agent-lightning/text';
import { toolChat } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/openai-agents';
import { startModelServer, startTestRollout, type ChatRequest, type ModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { createCalcAgent, solve } from './agent.ts';
import { allProblems } from './problems.ts';
import { answerReward } from './reward.ts';
import { createExample, type Example } from './scripts/corpus.ts';

const problem = allProblems().find(({ expression }) => expression.startsWith('('))!;
let server: ModelServer | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
});

let ids = 0;
const calls = (expression: string) => ({
  toolCalls: [{ id: `call_${++ids}`, name: 'calculator', arguments: { expression } }],
});

/** The agent, on a model that says these replies in turn. */
async function agentThatHears(...replies: (string | ReturnType<typeof calls>)[]) {
  server = await startModelServer({
    respond: replies.map((reply) => (typeof reply === 'string' ? { content: reply } : reply)),
  });
  vi.stubEnv('OPENAI_BASE_URL', server.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
  return createCalcAgent();
}

const requestOf = (call: number) => server!.calls[call]!.body as unknown as ChatRequest;
const template = new ChatTemplate({ template: toolChat.template, name: 'the kit' }, {});

describe('the agent', () => {
  it('calls the calculator and answers', async () => {
    const agent = await agentThatHears(calls(problem.expression), `Answer: ${problem.answer}`);
    const output = await solve(agent, problem.question);
    expect(answerReward(problem, output)).toBe(1);
    expect(requestOf(1).messages.at(-1)).toMatchObject({ role: 'tool', content: String(problem.answer) });
  });

  it('hears what is wrong with an expression and tries again', async () => {
    const agent = await agentThatHears(calls('(12 + 3 / 4'), calls('(12 + 3) / 4'), 'Answer: 3.75');
    expect(await solve(agent, problem.question)).toBe('Answer: 3.75');
    const told = [1, 2].map((call) => requestOf(call).messages.at(-1)?.content);
    expect(told).toEqual(['Error: unexpected end', '3.75']);
  });

  it('has no answer when it calls tools to the end, or one that there is not', async () => {
    const four = ['1 + 1', '1 + 2', '1 + 3', '1 + 4'].map(calls);
    expect(await solve(await agentThatHears(...four, 'Answer: 5'), problem.question)).toBe('');
    expect(server?.calls).toHaveLength(4);
    await server?.close();
    const other = { toolCalls: [{ name: 'abacus', arguments: {} }] } as never;
    expect(await solve(await agentThatHears(other, 'Answer: 2'), problem.question)).toBe('');
  });

  it('never sees the ground truth', async () => {
    const agent = await agentThatHears('Answer: 1');
    await solve(agent, problem.question);
    expect(JSON.stringify(requestOf(0))).not.toContain(problem.expression);
  });

  it('asks as the corpus of its starting model does', async () => {
    for (const role of ['first', 'again', 'answer'] as const) {
      const example = exampleOf(role);
      const said = example.prompt.flatMap(({ tool_calls: toolCalls }) =>
        ((toolCalls ?? []) as { function: { arguments: string } }[]).map((call) => JSON.parse(call.function.arguments)),
      ) as { expression: string }[];
      const agent = await agentThatHears(...said.map(({ expression }) => calls(expression)), 'Answer: 1');
      await solve(agent, example.problem.question);
      const { messages, tools } = requestOf(said.length);
      expect(template.render(messages, tools as JsonValue[])).toBe(template.render(example.prompt, example.tools));
      await server?.close();
    }
  });

  it('tells in its trace whether the calculator worked', async () => {
    const agent = withLightning(await agentThatHears(calls('1 +'), calls('1 + 1'), 'Answer: 2'));
    const rollout = startTestRollout(server!.baseUrl);
    expect(await rollout.run(() => solve(agent, problem.question))).toBe('Answer: 2');
    const tools = await rollout.spans('tool_call');
    expect(tools.map(({ status, attributes }) => [attributes[attributeNames.toolName], status.code])).toEqual([
      ['calculator', 'error'],
      ['calculator', 'ok'],
    ]);
    expect((await rollout.spans('model_call')).length).toBe(3);
  });
});

function exampleOf(role: Example['role']): Example {
  const random = seededRandom(3);
  for (;;) {
    const example = createExample(problem, random);
    if (example.role === role) return example;
  }
}
