import { attributeNames, type SpanInput } from '@agent-lightning/core';
import { emitReward, operation } from '@agent-lightning/tracing';
import { agentNamesOf, parentSpanOf, startTestRollout as startRollout } from '@agent-lightning/testing';
import { ToolMessage } from '@langchain/core/messages';
import { RunnableLambda } from '@langchain/core/runnables';
import { tool } from '@langchain/core/tools';
import {
  Annotation,
  Command,
  END,
  entrypoint,
  interrupt,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
  task,
} from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const State = Annotation.Root({ question: Annotation<string>, answer: Annotation<string> });
const input = { messages: [{ role: 'user', content: 'q' }] };

/** One node that does `work`. */
function oneNode(
  name: string,
  work: (state: typeof State.State) => Promise<Partial<typeof State.State>>,
  options: object = {},
) {
  return new StateGraph(State)
    .addNode(name, work, options)
    .addEdge(START, name as never)
    .addEdge(name as never, END)
    .compile({ checkpointer: new MemorySaver() });
}

const thread = { configurable: { thread_id: 't' } };

/** `name < parent < grandparent`, for each span. */
function lineages(spans: readonly SpanInput[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const lineage = (span: SpanInput): string => {
    const parent = span.parentSpanId === undefined ? undefined : byId.get(span.parentSpanId);
    return parent === undefined ? span.name : `${span.name} < ${lineage(parent)}`;
  };
  return spans.map(lineage);
}

describe('the trace of a rollout', () => {
  it('has a span for each model call, joined to the server’s by response id', async () => {
    const own = await startServer(() => ({
      id: 'chatcmpl-77',
      content: 'hi',
      usage: { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 3 } },
    }));
    const model = chatModel(own, { temperature: 0.25 });
    const graph = withLightning(oneNode('writer', async () => ({ answer: (await model.invoke('q')).text })));
    const rollout = startRollout();
    await rollout.run(() => graph.invoke({ question: 'q' }, thread));
    const spans = await rollout.spans();
    expect(lineages(spans)).toEqual(['chat < writer < LangGraph', 'writer < LangGraph', 'LangGraph']);
    expect(spans[0]).toMatchObject({ kind: 'model_call', status: { code: 'ok' } });
    expect(spans[0]?.attributes).toEqual({
      [attributeNames.source]: 'framework',
      [attributeNames.operationName]: 'chat',
      [attributeNames.agentNames]: ['writer'],
      [attributeNames.requestModel]: 'own-model',
      [attributeNames.requestTemperature]: 0.25,
      [attributeNames.responseId]: 'chatcmpl-77',
      [attributeNames.responseModel]: 'own-model',
      [attributeNames.finishReasons]: ['stop'],
      [attributeNames.inputTokens]: 5,
      [attributeNames.outputTokens]: 2,
      [attributeNames.cachedTokens]: 3,
    });
    expect(spans[1]).toMatchObject({
      kind: 'agent',
      attributes: { [attributeNames.agentName]: 'writer', [attributeNames.agentNames]: ['writer'] },
    });
  });

  it('places emitted rewards and operations under the node that they come from', async () => {
    const own = await startServer();
    const model = chatModel(own);
    const check = operation('check', async (answer: string) => {
      emitReward({ parsed: 1 }, { scope: { agent: 'writer' } });
      return (await model.invoke(answer)).text.length > 0;
    });
    const graph = withLightning(
      oneNode('writer', async ({ question }) => {
        emitReward(0.5);
        return { answer: String(await check(question)) };
      }),
    );
    const rollout = startRollout(own.baseUrl);
    await rollout.run(() => operation('episode', () => graph.invoke({ question: 'q' }, thread))());
    expect(lineages(await rollout.spans())).toEqual([
      'reward < writer < LangGraph < episode',
      'reward < check < writer < LangGraph < episode',
      // LangChain sees the call below the node; the HTTP headers place it below the operation.
      'chat < writer < LangGraph < episode',
      'check < writer < LangGraph < episode',
      'writer < LangGraph < episode',
      'LangGraph < episode',
      'episode',
    ]);
    const checkSpan = (await rollout.spans('operation')).find(({ name }) => name === 'check');
    expect(own.calls.map(parentSpanOf)).toEqual([checkSpan?.spanId]);
    expect(own.calls.map(agentNamesOf)).toEqual([['writer']]);
  });

  it('has tools with arguments, result and call id, and the model calls that tools make', async () => {
    const policy = await startServer((request) => {
      if (request.tools === undefined) return 'a summary';
      return request.messages.some(({ role }) => role === 'tool')
        ? 'done'
        : { toolCalls: [{ name: 'lookup', arguments: { key: 'k1' }, id: 'call_9' }] };
    });
    const model = chatModel(await startServer());
    const lookup = tool(async ({ key }) => `${key}: ${(await model.invoke('summarise')).text}`, {
      name: 'lookup',
      description: 'Looks up.',
      schema: z.object({ key: z.string() }),
    });
    const agent = createReactAgent({ llm: model, tools: [lookup], name: 'helper' });
    const graph = withLightning(
      new StateGraph(MessagesAnnotation)
        .addNode('assist', agent)
        .addEdge(START, 'assist')
        .addEdge('assist', END)
        .compile(),
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke(input));
    const spans = await rollout.spans();
    expect(lineages(spans)).toEqual([
      'chat < agent < assist < LangGraph',
      'agent < assist < LangGraph',
      'chat < lookup < tools < assist < LangGraph',
      'lookup < tools < assist < LangGraph',
      'tools < assist < LangGraph',
      'chat < agent < assist < LangGraph',
      'agent < assist < LangGraph',
      'assist < LangGraph',
      'LangGraph',
    ]);
    const tools = await rollout.spans('tool_call');
    expect(tools).toMatchObject([
      {
        status: { code: 'ok' },
        attributes: {
          [attributeNames.toolName]: 'lookup',
          [attributeNames.toolCallId]: 'call_9',
          [attributeNames.toolArguments]: '{"key":"k1"}',
          [attributeNames.toolResult]: 'k1: a summary',
        },
      },
    ]);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['helper', 'agent', 'assist/agent', 'assist'],
      ['helper', 'tools', 'assist/tools', 'assist'],
      ['helper', 'agent', 'assist/agent', 'assist'],
    ]);
    expect(parentSpanOf(policy.calls[1]!)).toBe(tools[0]?.spanId);
  });

  it('marks tools that fail, by throwing or by their answer', async () => {
    const policy = await startServer((request) =>
      request.messages.some(({ role }) => role === 'tool')
        ? 'done'
        : {
            toolCalls: [
              { name: 'throws', arguments: {} },
              { name: 'reports', arguments: {} },
            ],
          },
    );
    const throws = tool(
      () => {
        throw new RangeError('no such table');
      },
      { name: 'throws', description: 'd', schema: z.object({}) },
    );
    const reports = tool(
      () => new ToolMessage({ content: 'syntax error', status: 'error', tool_call_id: 'call_0_1' }),
      { name: 'reports', description: 'd', schema: z.object({}) },
    );
    const graph = withLightning(createReactAgent({ llm: chatModel(await startServer()), tools: [throws, reports] }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke(input));
    const tools = await rollout.spans('tool_call');
    expect(tools.toSorted((a, b) => b.name.localeCompare(a.name))).toMatchObject([
      {
        name: 'throws',
        status: { code: 'error', message: 'no such table' },
        attributes: { [attributeNames.errorType]: 'RangeError' },
      },
      { name: 'reports', status: { code: 'error', message: 'syntax error' } },
    ]);
  });

  it('knows createAgent’s agents by the name in their metadata', async () => {
    const policy = await startServer();
    const model = chatModel(await startServer());
    const graphOf = () =>
      new StateGraph(State)
        .addNode('model_request', async () => ({ answer: (await model.invoke('q')).text }))
        .addEdge(START, 'model_request')
        .addEdge('model_request', END)
        .compile();
    const named = graphOf().withConfig({ metadata: { lc_agent_name: 'helper' } });
    const graph = withLightning(
      oneNode('finish', async () => await named.invoke({ question: 'q' })),
      { agentMatch: /^helper$/ },
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke({ question: 'q' }, thread));
    expect(lineages(await rollout.spans())[0]).toBe('chat < model_request < helper < finish < LangGraph');
    expect(policy.calls.map(agentNamesOf)).toEqual([['helper', 'model_request', 'finish/model_request', 'finish']]);
  });

  it('gives chains inside a node the names of the node', async () => {
    const policy = await startServer();
    const model = chatModel(await startServer());
    const chain = RunnableLambda.from((text: string) => `${text}!`)
      .pipe(model)
      .pipe((message) => message.text);
    const graph = withLightning(
      oneNode('writer', async () => ({ answer: await chain.invoke('q') })),
      { agentMatch: /^writer$/ },
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => graph.invoke({ question: 'q' }, thread));
    expect(lineages(await rollout.spans())).toEqual(['chat < writer < LangGraph', 'writer < LangGraph', 'LangGraph']);
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer']]);
  });

  it('names tasks of the functional API', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const model = chatModel(own);
    const draft = task('draft', async (question: string) => (await model.invoke(question)).text);
    const polish = task('polish', async (text: string) => (await model.invoke(text)).text);
    const flow = withLightning(
      entrypoint('flow', async (question: string) => polish(await draft(question))),
      { agentMatch: /draft/ },
    );
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => flow.invoke('q'));
    expect(policy.calls.map(agentNamesOf)).toEqual([['draft', 'flow/draft']]);
    expect(own.calls).toHaveLength(1);
    expect(lineages(await rollout.spans('agent'))).toContain('draft < flow');
  });
});

describe('failures in the trace', () => {
  it('are a model call that the server refused, and the nodes that it took down', async () => {
    const policy = await startServer(() => ({ fault: { type: 'status', status: 400, message: 'prompt too long' } }));
    const model = chatModel(await startServer());
    const graph = withLightning(oneNode('writer', async () => ({ answer: (await model.invoke('q')).text })));
    const rollout = startRollout(policy.baseUrl);
    await expect(rollout.run(() => graph.invoke({ question: 'q' }, thread))).rejects.toThrow('prompt too long');
    const spans = await rollout.spans();
    expect(spans.map(({ name, status }) => [name, status.code])).toEqual([
      ['chat', 'error'],
      ['writer', 'error'],
      ['LangGraph', 'error'],
    ]);
    expect(spans[0]?.status.message).toContain('prompt too long');
  });

  it('are separate spans for each try of a node’s retry policy', async () => {
    let tries = 0;
    const graph = withLightning(
      oneNode(
        'flaky',
        async () => {
          if (++tries < 3) throw new Error(`try ${tries}`);
          return { answer: 'ok' };
        },
        { retryPolicy: { maxAttempts: 3, initialInterval: 1, jitter: false, logWarning: false } },
      ),
    );
    const rollout = startRollout();
    await rollout.run(() => graph.invoke({ question: 'q' }, thread));
    const nodes = (await rollout.spans('agent')).filter(({ name }) => name === 'flaky');
    expect(nodes.map(({ status }) => status)).toEqual([
      { code: 'error', message: 'try 1' },
      { code: 'error', message: 'try 2' },
      { code: 'ok' },
    ]);
  });

  it('are not interrupts: the graph waits, and goes on in the same rollout', async () => {
    const graph = withLightning(oneNode('ask', async () => ({ answer: interrupt<string, string>('sure?') })));
    const rollout = startRollout();
    await rollout.run(async () => {
      await graph.invoke({ question: 'q' }, thread);
      const result = await graph.invoke(new Command({ resume: 'yes' }), thread);
      expect(result.answer).toBe('yes');
    });
    const spans = await rollout.spans('agent');
    expect(spans.filter(({ status }) => status.code === 'error')).toEqual([]);
    expect(spans.filter(({ name }) => name === 'ask').map(({ status }) => status.code)).toEqual(['unset', 'ok']);
  });

  it('are a call that the end of the attempt aborts', async () => {
    const policy = await startServer(() => ({ fault: { type: 'stall', afterEvents: 0 } }));
    const model = chatModel(await startServer());
    const graph = withLightning(oneNode('writer', async () => ({ answer: (await model.invoke('q')).text })));
    const rollout = startRollout(policy.baseUrl);
    const running = rollout.run(() => graph.invoke({ question: 'q' }, thread));
    const failed = expect(running).rejects.toThrow();
    while (policy.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    rollout.abort();
    await failed;
    expect(await policy.calls[0]?.finished).toBe(false);
    expect((await rollout.spans('model_call')).map(({ status }) => status.code)).toEqual(['error']);
  });
});
