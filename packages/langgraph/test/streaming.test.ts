import { attributeNames } from '@agent-lightning/core';
import {
  agentNamesOf,
  parentSpanOf,
  startTestRollout as startRollout,
  type TestRollout,
} from '@agent-lightning/testing';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, it } from 'vitest';
import { withLightning, type LightningOptions } from '../src/index.ts';
import { runs } from '../src/listener.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const input = { messages: [{ role: 'user', content: 'q' }] };

/** outline (invoked) → sub/draft (streamed) → polish (invoked): the three ways in which a node's call can be streamed to the reader. */
async function startGraph(options: LightningOptions = {}) {
  const [own, policy] = [await startServer(), await startServer()];
  const model = chatModel(own);
  const sub = new StateGraph(MessagesAnnotation)
    .addNode('draft', async ({ messages }) => {
      const chunks = [];
      for await (const chunk of await model.stream(messages)) chunks.push(chunk.text);
      return { messages: [{ role: 'assistant', content: chunks.join('') }] };
    })
    .addEdge(START, 'draft')
    .addEdge('draft', END)
    .compile();
  const graph = withLightning(
    new StateGraph(MessagesAnnotation)
      .addNode('outline', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode('sub', sub)
      .addNode('polish', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addEdge(START, 'outline')
      .addEdge('outline', 'sub')
      .addEdge('sub', 'polish')
      .addEdge('polish', END)
      .compile(),
    options,
  );
  return { own, policy, graph, rollout: startRollout(policy.baseUrl) };
}

type Graph = Awaited<ReturnType<typeof startGraph>>['graph'];

async function readAll(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _item of stream) count++;
  return count;
}

const readers: readonly [string, (graph: Graph) => Promise<AsyncIterable<unknown>>][] = [
  ['stream of values', (graph) => graph.stream(input)],
  ['stream of updates of subgraphs', (graph) => graph.stream(input, { streamMode: 'updates', subgraphs: true })],
  ['stream of messages', (graph) => graph.stream(input, { streamMode: 'messages' })],
  ['stream of several modes', (graph) => graph.stream(input, { streamMode: ['values', 'messages'] })],
  ['streamEvents v2', async (graph) => graph.streamEvents(input, { version: 'v2' })],
  ['streamEvents v3', async (graph) => graph.streamEvents(input, { version: 'v3' })],
];

async function expectWholeTrace({
  policy,
  own,
  rollout,
}: {
  policy: Awaited<ReturnType<typeof startServer>>;
  own: typeof policy;
  rollout: TestRollout;
}) {
  expect(own.calls).toHaveLength(0);
  expect(policy.calls.map(agentNamesOf)).toEqual([['outline'], ['draft', 'sub/draft'], ['polish']]);
  const spans = await rollout.spans();
  const nodes = ['outline', 'draft', 'polish'].map((name) => spans.find((span) => span.name === name)?.spanId);
  expect(policy.calls.map(parentSpanOf)).toEqual(nodes);
  const calls = spans.filter(({ kind }) => kind === 'model_call');
  expect(calls.map(({ parentSpanId }) => parentSpanId)).toEqual(nodes);
  expect(
    calls.every(
      ({ attributes, status }) =>
        status.code === 'ok' && String(attributes[attributeNames.responseId]).startsWith('chatcmpl-'),
    ),
  ).toBe(true);
  expect(calls.map(({ attributes }) => attributes[attributeNames.outputTokens])).toEqual([
    expect.any(Number),
    expect.any(Number),
    expect.any(Number),
  ]);
}

describe.each(readers)('a %s', (_, read) => {
  it('is redirected and traced like an invocation', async () => {
    const started = await startGraph();
    const count = await started.rollout.run(async () => readAll(await read(started.graph)));
    expect(count).toBeGreaterThan(2);
    await expectWholeTrace(started);
    expect(runs.size).toBe(0);
  });

  it('is so when it is read outside the rollout that began it', async () => {
    const started = await startGraph();
    await readAll(await started.rollout.run(() => read(started.graph)));
    await expectWholeTrace(started);
  });

  it('gives the reader what the bare graph gives outside a rollout', async () => {
    const { graph, own } = await startGraph();
    const count = await readAll(await read(graph));
    expect(count).toBeGreaterThan(2);
    expect(own.calls).toHaveLength(3);
    expect(runs.size).toBe(0);
  });
});

describe('many streams', () => {
  it('never cross, whichever way each of 12 rollouts is read', async () => {
    const own = await startServer();
    const model = chatModel(own);
    const graph = withLightning(
      new StateGraph(MessagesAnnotation)
        .addNode('first', async ({ messages }) => {
          let content = '';
          for await (const chunk of await model.stream(messages)) content += chunk.text;
          return { messages: [{ role: 'assistant', content }] };
        })
        .addNode('second', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
        .addNode('frozen', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
        .addEdge(START, 'first')
        .addEdge('first', 'second')
        .addEdge('second', 'frozen')
        .addEdge('frozen', END)
        .compile(),
      { agentMatch: /first|second/ },
    ) as unknown as Graph;
    const rollouts = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const policy = await startServer((_request, call) => ({
          id: `chatcmpl-${index}-${call.index}`,
          content: `one two three ${index}`,
          delayMs: Math.random() * 15,
        }));
        return { index, policy, rollout: startRollout(policy.baseUrl) };
      }),
    );
    await Promise.all(
      rollouts.map(({ index, rollout }) =>
        rollout.run(async () => readAll(await readers[index % readers.length]![1](graph))),
      ),
    );
    expect(own.calls).toHaveLength(12);
    for (const { index, policy, rollout } of rollouts) {
      expect(policy.calls.map(({ headers }) => headers.authorization)).toEqual(
        Array(2).fill(`Bearer ${rollout.scope.llm?.apiKey}`),
      );
      const ids = (await rollout.spans('model_call'))
        .map(({ attributes }) => attributes[attributeNames.responseId])
        .slice(0, 2);
      expect(ids).toEqual([`chatcmpl-${index}-0`, `chatcmpl-${index}-1`]);
    }
  });

  it('end their spans when the reader leaves', async () => {
    const started = await startGraph();
    await started.rollout.run(async () => {
      for await (const _chunk of await started.graph.stream(input, { streamMode: 'updates' })) break;
    });
    await started.rollout.scope.recorder.close();
    const spans = await started.rollout.spans();
    expect(spans.map(({ name }) => name)).toContain('outline');
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  });
});
