import { agentNamesOf, startTestRollout } from '@agent-lightning/testing';
import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import {
  Annotation,
  Command,
  END,
  interrupt,
  MemorySaver,
  MessagesAnnotation,
  Send,
  START,
  StateGraph,
} from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const State = Annotation.Root({ question: Annotation<string>, answer: Annotation<string> });
const input = { question: 'q' };
const thread = { configurable: { thread_id: 't' } };

/** A graph of one node that asks a model, and the servers of its own model and of the policy. */
async function setUp(afterwards: () => void = () => undefined) {
  const [own, policy] = [await startServer(), await startServer()];
  const model = chatModel(own);
  const graph = new StateGraph(State)
    .addNode('write', async () => {
      const { text } = await model.invoke('q');
      afterwards();
      return { answer: text };
    })
    .addEdge(START, 'write')
    .addEdge('write', END)
    .compile({ checkpointer: new MemorySaver() });
  return { own, policy, graph: withLightning(graph, { agentMatch: 'write' }) };
}

it('is kept by what LangChain makes of a wrapped graph', async () => {
  const { own, policy, graph } = await setUp();
  const callbacks = [BaseCallbackHandler.fromMethods({})];
  await startTestRollout(policy.baseUrl).run(async () => {
    await graph.withConfig({ tags: ['mine'] }).invoke(input, thread);
    await graph.withConfig({ callbacks }).invoke(input, thread);
    await graph.invoke(input, { ...thread, callbacks });
    await graph.withRetry().invoke(input, thread);
    await graph.withFallbacks([graph as never]).invoke(input, thread); // its types take no graph
    await graph.pipe((state: unknown) => state).invoke(input, thread);
    await graph.batch([input, input], [thread, { configurable: { thread_id: 'u' } }]);
  });
  expect([own.calls.length, policy.calls.length]).toEqual([0, 8]);
  expect(new Set(policy.calls.map((call) => agentNamesOf(call)?.[0]))).toEqual(new Set(['write']));
});

it('is kept by a graph that goes on in another rollout than the one that it waited in', async () => {
  let isWaiting = true;
  const { own, policy, graph } = await setUp(() => isWaiting && interrupt('sure?'));
  await startTestRollout(policy.baseUrl).run(() => graph.invoke(input, thread));
  isWaiting = false;
  const next = await startServer();
  await startTestRollout(next.baseUrl).run(() => graph.invoke(new Command({ resume: 'yes' }), thread));
  expect([own, policy, next].map(({ calls }) => calls.length)).toEqual([0, 1, 1]);
});

it('finds the agents of a team by the names that they were given', async () => {
  const [own, policy] = [await startServer(), await startServer()];
  const expert = (name: string) => createReactAgent({ llm: chatModel(own), tools: [], name });
  const maths = expert('math_expert');
  const team = new StateGraph(MessagesAnnotation)
    .addNode(
      'route',
      () => new Command({ goto: ['math_expert', 'other'].map((node) => new Send(node, { messages: 'q' })) }),
      {
        ends: ['math_expert', 'other'],
      },
    )
    .addNode('math_expert', maths)
    .addNode('other', expert('history_expert'))
    .addEdge(START, 'route')
    .compile({ name: 'team' });
  const rollout = startTestRollout(policy.baseUrl);
  await rollout.run(async () => {
    await withLightning(team, { agentMatch: /^math_expert$/ }).invoke({ messages: 'q' });
    await withLightning(maths, { agentMatch: 'math_expert' }).invoke({ messages: 'q' });
    await withLightning(team, { agentMatch: ['history_expert'] }).invoke({ messages: 'q' });
  });
  expect(own.calls).toHaveLength(2);
  expect(policy.calls.map((call) => agentNamesOf(call)?.[0])).toEqual(['math_expert', 'math_expert', 'history_expert']);
});
