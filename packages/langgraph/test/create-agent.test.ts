import { attributeNames } from '@agent-lightning/core';
import { agentNamesOf, outlineTrace, startTestRollout, type Responder } from '@agent-lightning/testing';
import { tool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { createAgent, summarizationMiddleware, type AgentMiddleware } from 'langchain';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const input = { messages: [{ role: 'user', content: 'q' }] };
const answers: Responder = (request, { index }) => {
  if (request.tools === undefined) return { id: `p${index}`, content: 'a summary' };
  return request.messages.some(({ role }) => role === 'tool')
    ? { id: `p${index}`, content: 'done' }
    : { id: `p${index}`, toolCalls: [{ name: 'lookup', arguments: { key: 'k1' } }] };
};

/** LangChain's agent with a tool that calls a model itself. */
function agentOf(model: ReturnType<typeof chatModel>) {
  const lookup = tool(async ({ key }) => `${key}: ${(await model.invoke('summarise')).text}`, {
    name: 'lookup',
    description: 'Looks up.',
    schema: z.object({ key: z.string() }),
  });
  return createAgent({ model, tools: [lookup], name: 'helper', systemPrompt: 'You are helper.' });
}

const layers = ['model_request', 'tools'];
const outline = [
  'agent helper',
  '  model_call p0',
  '  tool_call lookup {"key":"k1"} → k1: a summary',
  '    model_call p1',
  '  model_call p2',
];

describe('createAgent', () => {
  it('is wrapped as it is: same type, its model calls and those of its tools under its name', async () => {
    const [own, policy] = [await startServer(), await startServer(answers)];
    const agent = agentOf(chatModel(own));
    const wrapped = withLightning(agent, { agentMatch: /^helper$/ });
    expectTypeOf(wrapped).toEqualTypeOf<typeof agent>();
    const rollout = startTestRollout(policy.baseUrl);
    const { messages } = await rollout.run(() => wrapped.invoke(input));
    expect(messages.at(-1)?.text).toBe('done');
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['helper', 'model_request'],
      ['helper', 'tools'],
      ['helper', 'model_request'],
    ]);
    expect(outlineTrace(await rollout.spans(), { agents: ['helper'], layers })).toEqual(outline);
  });

  it('streams with the same trace', async () => {
    const [own, policy] = [await startServer(), await startServer(answers)];
    const wrapped = withLightning(agentOf(chatModel(own)));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(async () => {
      for await (const _update of await wrapped.stream(input, { streamMode: 'updates' }));
    });
    expect(own.calls).toEqual([]);
    expect(outlineTrace(await rollout.spans(), { agents: ['helper'], layers })).toEqual(outline);
  });

  it('is selected by its name inside a node of a wrapped graph, which keeps its own model', async () => {
    const [own, policy] = [await startServer(), await startServer(answers)];
    const model = chatModel(own);
    const agent = agentOf(model);
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('plan', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode('finish', async () => ({ messages: (await agent.invoke(input)).messages }))
      .addEdge(START, 'plan')
      .addEdge('plan', 'finish')
      .addEdge('finish', END)
      .compile();
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => withLightning(graph, { agentMatch: /^helper$/ }).invoke(input));
    expect(own.calls).toHaveLength(1);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['helper', 'model_request', 'finish/model_request', 'finish'],
      ['helper', 'tools', 'finish/tools', 'finish'],
      ['helper', 'model_request', 'finish/model_request', 'finish'],
    ]);
  });

  it('is what it was outside a rollout', async () => {
    const own = await startServer(answers);
    const wrapped = withLightning(agentOf(chatModel(own)));
    expect((await wrapped.invoke(input)).messages.at(-1)?.text).toBe('done');
    expect(own.calls).toHaveLength(3);
  });

  it.each([
    ['every agent', {}, []],
    ['it by its name', { agentMatch: ['helper', 'summarization'] }, ['summarization']],
  ] as const)(
    'leaves the model of a middleware alone, unless an agentMatch selects %s',
    async (_, options, trained) => {
      const [own, policy] = [await startServer(), await startServer()];
      const summary = summarizationMiddleware({
        model: chatModel(own),
        trigger: { messages: 2 },
        keep: { messages: 1 },
      } as never) as unknown as AgentMiddleware;
      const agent = createAgent({ model: chatModel(own), tools: [], name: 'helper', middleware: [summary] });
      const messages = [...input.messages, ...input.messages];
      const rollout = startTestRollout(policy.baseUrl);
      await rollout.run(() => withLightning(agent, options).invoke({ messages }));
      expect(policy.calls.map((call) => agentNamesOf(call)[0])).toEqual([...trained, 'helper']);
      expect(own.calls).toHaveLength(1 - trained.length);
      const selected = (await rollout.spans('model_call')).map(
        ({ attributes }) => attributes?.[attributeNames.agentSelected],
      );
      expect(selected).toEqual([trained.length > 0, true]);
    },
  );
});
