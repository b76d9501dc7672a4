import { ToolLoopAgent, tool } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import {
  agentNamesOf,
  callTool,
  chatModel,
  hasToolResult,
  lookup,
  modelOf,
  startServer,
  toolThenAnswer,
} from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

const withTool = (key: string) => [
  'agent assistant',
  '  model_call policy/1',
  `  tool_call lookup {"key":"${key}"} → value of ${key}`,
  `    message looking up ${key}`,
  '  model_call policy/2',
];

/** boss asks helper by a tool. */
function bossAndHelper(model: ReturnType<typeof chatModel>) {
  const helper = withLightning(new ToolLoopAgent({ id: 'helper', model, instructions: 'You are helper.' }));
  const ask = tool({
    description: 'Asks helper.',
    inputSchema: z.object({ input: z.string() }),
    execute: async ({ input }, { abortSignal }) =>
      (await helper.generate({ prompt: input, ...(abortSignal && { abortSignal }) })).text,
  });
  return new ToolLoopAgent({ id: 'boss', model, instructions: 'You are boss.', tools: { ask } });
}

describe('a wrapped agent', () => {
  it('is traced and answered by the policy inside a rollout', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy', toolThenAnswer('k1'))];
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(own), tools: { lookup } }));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(() => agent.generate({ prompt: 'q' }));

    expect(result.text).toBe('the answer');
    expect(own.calls).toHaveLength(0);
    expect(policy.calls.map(modelOf)).toEqual(Array(2).fill(rollout.scope.llm?.model));
    expect(policy.calls.map(agentNamesOf)).toEqual(Array(2).fill(['assistant']));
    expect(await rollout.outline()).toEqual(withTool('k1'));
    const calls = (await rollout.spans()).filter(({ kind }) => kind === 'model_call');
    expect(String(policy.calls[0]?.headers['traceparent']).split('-')[2]).toBe(calls[0]?.spanId);
  });

  it.each([false, true])('has a span for each of two tool calls with one id, streamed: %s', async (streamed) => {
    const policy = await startServer('policy', ({ messages }) =>
      hasToolResult(messages)
        ? { content: 'the answer' }
        : { toolCalls: ['k1', 'k2'].map((key) => ({ id: 'call_0', name: 'lookup', arguments: { key } })) },
    );
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), tools: { lookup } }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(async () =>
      streamed ? (await agent.stream({ prompt: 'q' })).text : (await agent.generate({ prompt: 'q' })).text,
    );
    const tools = (await rollout.outline()).filter((line) => /tool_call|message/.test(line));
    expect(tools.toSorted()).toEqual([
      '    message looking up k1',
      '    message looking up k2',
      '  tool_call lookup {"key":"k1"} → value of k1',
      '  tool_call lookup {"key":"k2"} → value of k2',
    ]);
  });

  it('streams with the same trace, however late the stream is read', async () => {
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), tools: { lookup } }));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(() => agent.stream({ prompt: 'q' }));
    let text = '';
    for await (const delta of result.textStream) text += delta;
    expect(text).toBe('the answer');
    expect(await rollout.outline()).toEqual(withTool('k1'));
  });

  it('runs tools of one reply in parallel, each with its own span', async () => {
    const policy = await startServer('policy', toolThenAnswer('k1', 'k2'));
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), tools: { lookup } }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect(await rollout.outline()).toEqual([
      'agent assistant',
      '  model_call policy/1',
      '  tool_call lookup {"key":"k1"} → value of k1',
      '    message looking up k1',
      '  tool_call lookup {"key":"k2"} → value of k2',
      '    message looking up k2',
      '  model_call policy/2',
    ]);
  });

  it('ends a tool that throws with its error, and goes on', async () => {
    const policy = await startServer('policy', toolThenAnswer('missing'));
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), tools: { lookup } }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect(await rollout.outline()).toEqual([
      'agent assistant',
      '  model_call policy/1',
      '  tool_call lookup {"key":"missing"} → - ! error',
      '    message looking up missing',
      '  model_call policy/2',
    ]);
    const failed = (await rollout.spans()).find(({ kind }) => kind === 'tool_call');
    expect(failed?.status).toEqual({ code: 'error', message: 'no such key' });
  });

  it('nests the agents that its tools call, of which agentMatch selects by name or path', async () => {
    const answer = (name: string) =>
      startServer(name, ({ messages }) =>
        /boss/.test(JSON.stringify(messages[0])) && !hasToolResult(messages)
          ? callTool('ask', { input: 'help' })
          : `from ${name}`,
      );
    for (const agentMatch of [/^helper$/, /^boss\/helper$/]) {
      const [own, policy] = [await answer('own'), await answer('policy')];
      const rollout = startRollout(policy.baseUrl);
      const result = await rollout.run(() =>
        withLightning(bossAndHelper(chatModel(own)), { agentMatch }).generate({ prompt: 'q' }),
      );
      expect(result.text).toBe('from own');
      expect(policy.calls.map(agentNamesOf)).toEqual([['helper', 'boss/helper']]);
      expect(own.calls.map(modelOf)).toEqual(['own-model', 'own-model']);
      expect(own.calls[0]?.headers['authorization']).toBe('Bearer own-key');
      expect(await rollout.outline()).toEqual([
        'agent boss',
        '  model_call own/1',
        '  tool_call ask {"input":"help"} → from policy',
        '    agent helper',
        '      model_call policy/1',
        '  model_call own/2',
      ]);
    }
  });

  it('is what it was outside a rollout', async () => {
    const own = await startServer('own');
    const agent = new ToolLoopAgent({ id: 'assistant', model: chatModel(own), tools: { lookup } });
    const wrapped = withLightning(agent, { agentMatch: /assistant/ });
    expect(wrapped).toBeInstanceOf(ToolLoopAgent);
    expect([wrapped.id, wrapped.version, wrapped.tools]).toEqual([agent.id, agent.version, agent.tools]);
    await agent.generate({ prompt: 'q' });
    await wrapped.generate({ prompt: 'q' });
    const [plain, through] = own.calls;
    expect(through?.body).toEqual(plain?.body);
    expect(through?.headers).toEqual(plain?.headers);
  });

  it('is one agent when it is wrapped twice, by the names of both wrappers', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const once = withLightning(new ToolLoopAgent({ model: chatModel(own) }), { name: 'draft', agentMatch: /^draft$/ });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => withLightning(once, { name: 'writer', agentMatch: /nobody/ }).generate({ prompt: 'q' }));
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer', 'draft']]);
    expect(await rollout.outline()).toEqual(['agent writer', '  model_call policy/1']);
  });

  it('is only traced in a rollout without a policy', async () => {
    const own = await startServer('own');
    const agent = withLightning(new ToolLoopAgent({ model: chatModel(own) }), { name: 'writer' });
    const rollout = startRollout();
    await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect(modelOf(own.calls[0])).toBe('own-model');
    expect(await rollout.outline()).toEqual(['agent writer', '  model_call own/1']);
  });
});

describe('failures', () => {
  it('ends the call and the agent with the error, streamed or not', async () => {
    const policy = await startServer('policy', () => ({ fault: { type: 'status', status: 400, message: 'no' } }));
    const agent = withLightning(
      new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), onError: () => undefined }),
    );
    const outline = ['agent assistant ! error', '  model_call - ! error'];

    const whole = startRollout(policy.baseUrl);
    await expect(whole.run(() => agent.generate({ prompt: 'q' }))).rejects.toThrow('no');
    expect(await whole.outline()).toEqual(outline);

    const streamed = startRollout(policy.baseUrl);
    await streamed.run(async () => (await agent.stream({ prompt: 'q' })).consumeStream());
    expect(await streamed.outline()).toEqual(outline);
  });

  it('keeps one call for the tries that the AI SDK makes', async () => {
    for (const method of ['generate', 'stream'] as const) {
      const policy = await startServer('policy', (_request, { index }) =>
        index < 2 ? { fault: { type: 'status', status: 503, headers: { 'retry-after-ms': '1' } } } : 'at last',
      );
      const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy), maxRetries: 2 }));
      const rollout = startRollout(policy.baseUrl);
      const result = await rollout.run(() => agent[method]({ prompt: 'q' }));
      expect(await result.text).toBe('at last');
      expect(policy.calls).toHaveLength(3);
      expect(await rollout.outline()).toEqual(['agent assistant', '  model_call policy/3']);
    }
  });

  it('ends the call and the agent when the caller aborts', async () => {
    for (const method of ['generate', 'stream'] as const) {
      const controller = new AbortController();
      const policy = await startServer('policy', () => {
        queueMicrotask(() => controller.abort());
        return { fault: { type: 'stall', afterEvents: 0 } };
      });
      const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(policy) }));
      const rollout = startRollout(policy.baseUrl);
      const { signal: abortSignal } = controller;
      await rollout
        .run(async () => {
          const result = await agent[method]({ prompt: 'q', abortSignal });
          if ('consumeStream' in result) await result.consumeStream();
        })
        .catch((error: unknown) => expect(error).toMatchObject({ name: 'AbortError' }));
      expect(await rollout.outline()).toEqual(['agent assistant ! error', '  model_call - ! error']);
    }
  });
});

describe('many rollouts in one process', () => {
  it('keep 20 concurrent runs apart, streamed and not', async () => {
    const own = await startServer('own');
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: chatModel(own), tools: { lookup } }));
    const runs = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const policy = await startServer(`p${index}`, toolThenAnswer(`k${index}`));
        return { index, policy, rollout: startRollout(policy.baseUrl) };
      }),
    );
    await Promise.all(
      runs.map(async ({ index, rollout }) => {
        const result = await rollout.run(() =>
          (index % 2 === 0 ? agent.stream : agent.generate)({ prompt: `q${index}` }),
        );
        expect(await result.text).toBe('the answer');
      }),
    );
    expect(own.calls).toHaveLength(0);
    for (const { index, policy, rollout } of runs) {
      expect(policy.calls.map(modelOf)).toEqual(Array(2).fill(rollout.scope.llm?.model));
      expect((await rollout.outline()).map((line) => line.replace(`p${index}/`, 'policy/'))).toEqual(
        withTool(`k${index}`),
      );
    }
  });
});
