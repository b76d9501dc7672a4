import { randomUUID } from 'node:crypto';
import { startTestRollout as startRollout } from '@agent-lightning/testing';
import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, it } from 'vitest';
import { LightningCallbackHandler, withLightning } from '../src/index.ts';
import { runs } from '../src/listener.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const input = { messages: [{ role: 'user', content: 'q' }] };

type Model = { invoke(messages: BaseMessage[]): Promise<AIMessage> };

function graphOf(model: Model) {
  return new StateGraph(MessagesAnnotation)
    .addNode('write', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge(START, 'write')
    .addEdge('write', END)
    .compile();
}

describe('withLightning', () => {
  it('is the graph outside a rollout: same class, same answers, same requests, nothing kept', async () => {
    const own = await startServer((_request, call) => ({ content: `answer ${call.path}`, id: 'chatcmpl-1' }));
    const graph = graphOf(chatModel(own));
    const wrapped = withLightning(graph, { agentMatch: /write/ });
    expect(wrapped).not.toBe(graph);
    expect(wrapped.constructor).toBe(graph.constructor);
    expect(Object.keys(wrapped.nodes)).toEqual(Object.keys(graph.nodes));
    const texts = async (run: typeof graph) => (await run.invoke(input)).messages.map(({ text }) => text);
    expect(await texts(wrapped)).toEqual(await texts(graph));
    const [bare, ours] = [own.calls[1], own.calls[0]];
    expect(ours?.body).toEqual(bare?.body);
    expect(Object.keys(ours?.headers ?? {})).toEqual(Object.keys(bare?.headers ?? {}));
    expect(runs.size).toBe(0);
  });

  it('leaves the graph that it was given untraced', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = graphOf(chatModel(own));
    withLightning(graph);
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke(input));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 0]);
    expect(await rollout.spans()).toEqual([]);
  });

  it('only traces in a rollout without an endpoint', async () => {
    const own = await startServer();
    const rollout = startRollout();
    const graph = withLightning(graphOf(chatModel(own)));
    await rollout.run(() => graph.invoke(input));
    expect(own.calls).toHaveLength(1);
    expect((await rollout.spans()).map(({ name }) => name)).toEqual(['chat', 'write', 'LangGraph']);
  });

  it('traces models that do not use HTTP, and redirects clients of other makes that use fetch', async () => {
    const policy = await startServer(() => 'from the policy');
    const client: Model = {
      async invoke() {
        const response = await fetch('http://provider.invalid/v1/chat/completions', {
          method: 'POST',
          body: JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'q' }] }),
        });
        const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
        return new AIMessage(choices[0]?.message.content ?? '');
      },
    };
    const [local, raw] = [
      withLightning(graphOf(new FakeListChatModel({ responses: ['local'] }) as unknown as Model)),
      withLightning(graphOf(client)),
    ];
    const rollout = startRollout(policy.baseUrl);
    const results = await rollout.run(async () => [await local.invoke(input), await raw.invoke(input)]);
    expect(results.map(({ messages }) => messages.at(-1)?.text)).toEqual(['local', 'from the policy']);
    expect(await rollout.spans('model_call')).toHaveLength(1);
  });

  it('surfaces a dialect that the endpoint does not serve', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = withLightning(graphOf(chatModel(own, { useResponsesApi: true })));
    const rollout = startRollout(policy.baseUrl);
    await expect(rollout.run(() => graph.invoke(input))).rejects.toThrow(/404.*no route POST \/v1\/responses/);
    expect(own.calls).toHaveLength(0);
    expect((await rollout.spans('model_call'))[0]?.status).toMatchObject({
      code: 'error',
      message: expect.stringContaining('404'),
    });
  });

  it.each([
    ['the inner matches', { agentMatch: /write/ }, { agentMatch: /nothing/ }, 1],
    ['the outer matches', { agentMatch: /nothing/ }, { agentMatch: /write/ }, 1],
    ['the outer selects every node', { agentMatch: /nothing/ }, {}, 1],
    ['the inner leaves it to the outer', {}, { agentMatch: /nothing/ }, 0],
  ])('traces each call once when a graph is wrapped twice: %s', async (_how, inner, outer, calls) => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = withLightning(withLightning(graphOf(chatModel(own)), inner), outer);
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke(input));
    expect([own.calls.length, policy.calls.length]).toEqual([1 - calls, calls]);
    expect(await rollout.spans()).toHaveLength(3);
  });

  it('works with the caller’s own callbacks, run id, tags and metadata', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const graph = withLightning(graphOf(chatModel(own)));
    const seen: string[] = [];
    const rollout = startRollout(policy.baseUrl);
    const config = {
      callbacks: [{ handleChainStart: (...[, , id]: unknown[]) => void seen.push(String(id)) }],
      runId: randomUUID(),
      tags: ['t'],
      metadata: { m: 1 },
    };
    await rollout.run(() => graph.invoke(input, config));
    expect(seen).toContain(config.runId);
    expect(await rollout.spans()).toHaveLength(3);
  });

  it('refuses what it cannot wrap or match', () => {
    const builder = new StateGraph(MessagesAnnotation).addNode('a', () => ({})).addEdge(START, 'a');
    expect(() => withLightning(builder as never)).toThrow(
      expect.objectContaining({ name: 'AdapterError', code: 'adapter-unsupported' }),
    );
    expect(() => withLightning(undefined as never)).toThrow(/compiled graph/);
    expect(() => withLightning(builder.compile(), { agentMatch: 'write|rewrite' })).toThrow(
      expect.objectContaining({ name: 'ConfigurationError', code: 'option-invalid' }),
    );
    expect(() => new LightningCallbackHandler({ agentMatch: {} as never })).toThrow(
      /agentMatch must be a regular expression/,
    );
  });

  it('says so when LangChain can no longer be followed', () => {
    const key = Symbol.for('ls:tracing_async_local_storage');
    const globals = globalThis as unknown as Record<symbol, unknown>;
    const storage = globals[key];
    const graph = graphOf(chatModel({ baseUrl: 'http://unused.invalid/v1' } as never));
    try {
      globals[key] = undefined;
      expect(() => withLightning(graph)).toThrow(
        expect.objectContaining({ name: 'AdapterError', code: 'adapter-unsupported' }),
      );
    } finally {
      globals[key] = storage;
    }
  });
});
