import { attributeNames } from '@agent-lightning/core';
import { agentNamesOf, parentSpanOf, startTestRollout as startRollout } from '@agent-lightning/testing';
import { Annotation, END, MessagesAnnotation, Send, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { chatModel, modelOf, startServer } from './__fixtures__/servers.ts';

const State = Annotation.Root({
  question: Annotation<string>,
  plan: Annotation<string>,
  answer: Annotation<string>,
  notes: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
});

/** plan → review (a subgraph: critic → judge) → answer (streamed inside the node). */
function threeNodeGraph(model: ReturnType<typeof chatModel>) {
  const review = new StateGraph(State)
    .addNode('critic', async ({ question }) => ({ notes: [(await model.invoke(`${question} critic`)).text] }))
    .addNode('judge', async ({ question }) => ({ notes: [(await model.invoke(`${question} judge`)).text] }))
    .addEdge(START, 'critic')
    .addEdge('critic', 'judge')
    .addEdge('judge', END)
    .compile();
  return new StateGraph(State)
    .addNode('planner', async ({ question }) => ({ plan: (await model.invoke(`${question} planner`)).text }))
    .addNode('review', review)
    .addNode('writer', async ({ question }) => {
      let answer = '';
      for await (const chunk of await model.stream(`${question} writer`)) answer += chunk.text;
      return { answer };
    })
    .addEdge(START, 'planner')
    .addEdge('planner', 'review')
    .addEdge('review', 'writer')
    .addEdge('writer', END)
    .compile();
}

describe('calls inside a rollout', () => {
  it('go to the rollout’s endpoint with its key and model, and say who called and under which span', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = withLightning(threeNodeGraph(chatModel(own)));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(() => graph.invoke({ question: 'q' }));

    expect(own.calls).toHaveLength(0);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['planner'],
      ['critic', 'review/critic'],
      ['judge', 'review/judge'],
      ['writer'],
    ]);
    expect(policy.calls.map(modelOf)).toEqual(Array(4).fill(rollout.scope.llm?.model));
    expect(policy.calls.map(({ headers }) => headers.authorization)).toEqual(
      Array(4).fill(`Bearer ${rollout.scope.llm?.apiKey}`),
    );
    expect(result.answer).toContain(`${rollout.scope.llm?.model} heard "q writer"`);

    const nodes = await rollout.spans('agent');
    const spanOf = (name: string) => nodes.find((span) => span.name === name)?.spanId;
    expect(policy.calls.map(parentSpanOf)).toEqual(['planner', 'critic', 'judge', 'writer'].map(spanOf));
  });

  it('stay on their own model where agentMatch does not select the node', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = withLightning(threeNodeGraph(chatModel(own)), { agentMatch: /^(planner|review\/judge|writer)$/ });
    await startRollout(policy.baseUrl).run(() => graph.invoke({ question: 'q' }));
    expect(policy.calls.map((call) => agentNamesOf(call)[0])).toEqual(['planner', 'judge', 'writer']);
    expect(own.calls.map(modelOf)).toEqual(['own-model']);
    expect(own.calls[0]?.headers).not.toHaveProperty('x-lightning-agent');
    expect(own.calls[0]?.headers.authorization).toBe('Bearer own-key');
  });

  it('of 20 concurrent rollouts never cross', async () => {
    const own = await startServer((request) => ({
      content: `own ${JSON.stringify(request.messages.at(-1)?.content)}`,
      delayMs: Math.random() * 20,
    }));
    const graph = withLightning(threeNodeGraph(chatModel(own)), { agentMatch: /^(planner|review\/critic|writer)$/ });
    const rollouts = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const policy = await startServer((request, call) => ({
          id: `chatcmpl-${index}-${call.index}`,
          content: `policy ${index} ${JSON.stringify(request.messages.at(-1)?.content)}`,
          delayMs: Math.random() * 20,
        }));
        return { index, policy, rollout: startRollout(policy.baseUrl) };
      }),
    );
    const results = await Promise.all(
      rollouts.map(({ index, rollout }) => rollout.run(() => graph.invoke({ question: `q${index}` }))),
    );

    expect(own.calls).toHaveLength(20);
    for (const { index, policy, rollout } of rollouts) {
      const bodies = policy.calls.map(({ body }) => JSON.stringify(body));
      expect(bodies).toHaveLength(3);
      expect(bodies.every((body) => body.includes(`"q${index} `))).toBe(true);
      expect(policy.calls.every(({ headers }) => headers.authorization === `Bearer ${rollout.scope.llm?.apiKey}`)).toBe(
        true,
      );
      expect(results[index]?.answer).toBe(`policy ${index} "q${index} writer"`);
      const calls = await rollout.spans('model_call');
      expect(calls).toHaveLength(4);
      const redirected = calls.filter(({ attributes }) =>
        attributes[attributeNames.responseId]?.toString().startsWith(`chatcmpl-${index}-`),
      );
      expect(
        redirected.map(({ attributes }) => (attributes[attributeNames.agentNames] as string[])[0]).toSorted(),
      ).toEqual(['critic', 'planner', 'writer']);
      expect(redirected.map(({ attributes }) => attributes[attributeNames.responseId]).toSorted()).toEqual(
        [0, 1, 2].map((call) => `chatcmpl-${index}-${call}`),
      );
    }
  });

  it('never cross in the queue of a model that limits its concurrency', async () => {
    const own = await startServer();
    const graph = withLightning(threeNodeGraph(chatModel(own, { maxConcurrency: 2 })));
    const rollouts = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const policy = await startServer();
        return { policy, rollout: startRollout(policy.baseUrl) };
      }),
    );
    await Promise.all(rollouts.map(({ rollout }, index) => rollout.run(() => graph.invoke({ question: `q${index}` }))));
    expect(own.calls).toHaveLength(0);
    for (const [index, { policy }] of rollouts.entries()) {
      expect(policy.calls.map((call) => agentNamesOf(call)[0])).toEqual(['planner', 'critic', 'judge', 'writer']);
      expect(policy.calls.every(({ body }) => JSON.stringify(body).includes(`"q${index} `))).toBe(true);
    }
  });

  it('are told apart by Send, each under its own node span', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const model = chatModel(own);
    const graph = withLightning(
      new StateGraph(State)
        .addNode('worker', async ({ question }) => ({ notes: [(await model.invoke(question)).text] }))
        .addConditionalEdges(START, () => ['a', 'b', 'c'].map((question) => new Send('worker', { question })))
        .addEdge('worker', END)
        .compile(),
      { agentMatch: /worker/ },
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke({ question: 'q' }));
    expect(policy.calls.map(agentNamesOf)).toEqual([['worker'], ['worker'], ['worker']]);
    const workers = (await rollout.spans('agent')).filter(({ name }) => name === 'worker').map(({ spanId }) => spanId);
    expect(workers).toHaveLength(3);
    expect(policy.calls.map(parentSpanOf).toSorted()).toEqual(workers.toSorted());
  });
});

describe('agentMatch of graphs inside graphs', () => {
  const graphOf = (name: string, model: ReturnType<typeof chatModel>) =>
    new StateGraph(MessagesAnnotation)
      .addNode(`${name}-a`, async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode(`${name}-b`, async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addEdge(START, `${name}-a` as never)
      .addEdge(`${name}-a` as never, `${name}-b` as never)
      .addEdge(`${name}-b` as never, END)
      .compile();
  const input = { messages: [{ role: 'user', content: 'q' }] };

  it('is that of each graph, for two graphs of one rollout', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const one = withLightning(graphOf('one', chatModel(own)), { agentMatch: /-a$/ });
    const two = withLightning(graphOf('two', chatModel(own)), { agentMatch: /-b$/ });
    await startRollout(policy.baseUrl).run(() => Promise.all([one.invoke(input), two.invoke(input)]));
    expect(policy.calls.map((call) => agentNamesOf(call)[0]).toSorted()).toEqual(['one-a', 'two-b']);
    expect(own.calls).toHaveLength(2);
  });

  it.each([
    ['of the inner graph for what it matches, and of the outer one for the rest', { agentMatch: /-b$/ }, 5],
    ['of the outer graph, where that of the inner one matches nothing', { agentMatch: /nobody/ }, 3],
    ['of the outer graph, where the inner one has none', {}, 3],
  ])('is that %s', async (_, options, calls) => {
    const [own, policy] = [await startServer(), await startServer()];
    const inner = withLightning(graphOf('in', chatModel(own)), options);
    const model = chatModel(own);
    const outer = withLightning(
      new StateGraph(MessagesAnnotation)
        .addNode('out-a', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
        .addNode('sub', inner)
        .addNode('called', async ({ messages }) => ({ messages: (await inner.invoke({ messages })).messages }))
        .addEdge(START, 'out-a')
        .addEdge('out-a', 'sub')
        .addEdge('sub', 'called')
        .addEdge('called', END)
        .compile(),
      { agentMatch: /-a$/ },
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => outer.invoke(input));
    const names = [...new Set(policy.calls.map((call) => agentNamesOf(call)[0]))].toSorted();
    expect(names).toEqual(calls === 5 ? ['in-a', 'in-b', 'out-a'] : ['in-a', 'out-a']);
    expect(policy.calls).toHaveLength(calls);
    expect(await rollout.spans('model_call')).toHaveLength(5);
    const ids = (await rollout.spans()).map(({ spanId }) => spanId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
