import { emitMessage } from '@agent-lightning/core';
import {
  addTraceProcessor,
  BatchTraceProcessor,
  run,
  Runner,
  setTracingDisabled,
  tool,
  type Agent,
} from '@openai/agents';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import {
  agent,
  chatModel,
  lookup,
  readTurn,
  responsesModel,
  startResponsesServer,
  startServer,
} from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

const answering =
  (server: string, delayMs = 0): Parameters<typeof startServer>[0] =>
  async (request) => {
    const { agent: name, isAfterTool } = readTurn(request);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * delayMs));
    const first = Array.isArray(request.tools) && request.tools.length > 0 && !isAfterTool;
    const id = `${server}/${name}/${first ? 1 : 2}`;
    if (!first) return { id, content: `${server} answers ${name}` };
    const called = request.tools?.[0] as { readonly function: { readonly name: string } };
    const args =
      called.function.name === 'lookup'
        ? { key: 'k1' }
        : called.function.name.startsWith('transfer')
          ? {}
          : { input: 'help' };
    return { id, toolCalls: [{ name: called.function.name, arguments: args }] };
  };

describe('inside a rollout', () => {
  it('traces the agent, its calls and its tools, and asks the policy', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    const writer = withLightning(agent('writer', { model: chatModel(own.baseUrl), tools: [lookup] }));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(() => run(writer, 'q'));

    expect(result.finalOutput).toBe('policy answers writer');
    expect(own.calls).toHaveLength(0);
    expect(policy.calls.map(({ headers }) => headers.authorization)).toEqual(
      Array(2).fill(`Bearer ${rollout.scope.llm?.apiKey}`),
    );
    expect(await rollout.outline()).toMatchInlineSnapshot(`
      [
        "agent writer",
        "  model_call policy/writer/1",
        "  tool_call lookup {"key":"k1"} → value of k1",
        "  model_call policy/writer/2",
      ]
    `);
  });

  it('streams', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    const writer = withLightning(agent('writer', { model: chatModel(own.baseUrl), tools: [lookup] }));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(() => run(writer, 'q', { stream: true }));
    let text = '';
    for await (const chunk of result.toTextStream()) text += chunk;
    await result.completed;

    expect(text).toBe('policy answers writer');
    expect(own.calls).toHaveLength(0);
    expect(await rollout.outline()).toMatchInlineSnapshot(`
      [
        "agent writer",
        "  model_call policy/writer/1",
        "  tool_call lookup {"key":"k1"} → value of k1",
        "  model_call policy/writer/2",
      ]
    `);
  });

  it('follows handoffs: every agent that the wrapped one hands over to is selected', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    const billing = agent('billing', { model: chatModel(own.baseUrl) });
    const triage = withLightning(agent('triage', { model: chatModel(own.baseUrl), handoffs: [billing] }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => run(triage, 'q'));
    expect(own.calls).toHaveLength(0);
    expect(await rollout.outline()).toMatchInlineSnapshot(`
      [
        "agent triage",
        "  model_call policy/triage/1",
        "agent billing",
        "  model_call policy/billing/2",
      ]
    `);
  });

  it('selects among agents used as tools by agentMatch; the others keep their model', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    const helper = agent('helper', { model: chatModel(own.baseUrl) });
    const ask = helper.asTool({ toolName: 'ask_helper', toolDescription: 'Asks.' });
    const boss = withLightning(agent('boss', { model: chatModel(own.baseUrl), tools: [ask] }), {
      agentMatch: /^helper$/,
    });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => run(boss, 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([2, 1]);
    expect(await rollout.outline()).toMatchInlineSnapshot(`
      [
        "agent boss",
        "  model_call own/boss/1",
        "  tool_call ask_helper {"input":"help"} → policy answers helper",
        "    agent helper",
        "      model_call policy/helper/2",
        "  model_call own/boss/2",
      ]
    `);
  });

  it('leaves agents that nobody wrapped on their own model', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    withLightning(agent('other', { model: chatModel(own.baseUrl) }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => run(agent('plain', { model: chatModel(own.baseUrl) }), 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 0]);
  });

  it('selects agents whose runner has turned tracing off', async () => {
    const [own, policy] = [await startServer(answering('own')), await startServer(answering('policy'))];
    const writer = withLightning(agent('writer', { model: chatModel(own.baseUrl) }));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => new Runner({ tracingDisabled: true }).run(writer, 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([0, 1]);
  });

  it('places what a tool emits under its call, and marks failed tools and calls', async () => {
    const failing = tool({
      name: 'fail',
      description: 'Fails.',
      parameters: z.object({ input: z.string() }),
      execute: () => {
        emitMessage('about to fail');
        return Promise.reject(new Error('no such key'));
      },
    });
    const policy = await startServer((request, call) =>
      call.index === 0
        ? answering('policy')(request, call)
        : { fault: { type: 'status', status: 400, message: 'boom' } },
    );
    const writer = withLightning(agent('writer', { model: chatModel(policy.baseUrl), tools: [failing] }));
    const rollout = startRollout(policy.baseUrl);
    await expect(rollout.run(() => run(writer, 'q'))).rejects.toThrow('boom');
    expect(await rollout.outline()).toMatchInlineSnapshot(`
      [
        "agent writer ! error",
        "  model_call policy/writer/1",
        "  tool_call fail {"input":"help"} → An error occurred while running the tool. Please try again. ! error",
        "    message about to fail",
        "  model_call - ! error",
      ]
    `);
  });

  it.each([false, true])('speaks the Responses wire (stream: %s)', async (isStreamed) => {
    const [own, policy] = [
      await startResponsesServer('mine', 'resp_own'),
      await startResponsesServer('trained', 'resp_policy'),
    ];
    const writer: Agent = withLightning(agent('writer', { model: responsesModel(own.baseUrl) }));
    const rollout = startRollout(policy.baseUrl);
    const result = await rollout.run(async () => {
      if (!isStreamed) return run(writer, 'q');
      const streamed = await run(writer, 'q', { stream: true });
      await streamed.completed;
      return streamed;
    });
    expect(result.finalOutput).toBe('trained');
    expect(own.calls).toEqual([]);
    expect(policy.calls).toEqual([
      { path: '/v1/responses', model: rollout.scope.llm?.model, authorization: `Bearer ${rollout.scope.llm?.apiKey}` },
    ]);
    expect(await rollout.outline()).toEqual(['agent writer', '  model_call resp_policy']);
  });

  it('never mixes 20 rollouts at once', async () => {
    const own = await startServer(answering('own'));
    const helper = agent('helper', { model: chatModel(own.baseUrl), tools: [lookup] });
    const ask = helper.asTool({ toolName: 'ask_helper', toolDescription: 'Asks.' });
    const boss = withLightning(agent('boss', { model: chatModel(own.baseUrl), tools: [ask] }), {
      agentMatch: /^helper$/,
    });
    const policies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => startServer(answering(`p${index}`, 10))),
    );
    const rollouts = policies.map((policy) => startRollout(policy.baseUrl));
    await Promise.all(rollouts.map((rollout) => rollout.run(() => run(boss, 'q'))));
    expect(own.calls).toHaveLength(40);
    for (const [index, rollout] of rollouts.entries()) {
      const keys = policies[index]?.calls.map(({ headers }) => headers.authorization);
      expect(keys).toEqual(Array(2).fill(`Bearer ${rollout.scope.llm?.apiKey}`));
      const ids = (await rollout.outline()).filter((line) => line.includes('/helper/')).map((line) => line.trim());
      expect(ids).toEqual([`model_call p${index}/helper/1`, `model_call p${index}/helper/2`]);
    }
  });
});

describe('the SDK’s own tracing', () => {
  const exported: unknown[] = [];
  const exporter = { export: (items: unknown[]) => Promise.resolve(void exported.push(...items)) };

  it('exports nothing of a rollout, and everything outside one', async () => {
    const own = await startServer(answering('own'));
    const writer = withLightning(agent('writer', { model: chatModel(own.baseUrl) }));
    const processor = new BatchTraceProcessor(exporter);
    setTracingDisabled(false);
    addTraceProcessor(processor);
    try {
      await startRollout(own.baseUrl).run(() => run(writer, 'q'));
      await processor.forceFlush();
      expect(exported).toEqual([]);
      await run(writer, 'q');
      await processor.forceFlush();
      expect(exported.length).toBeGreaterThan(2);
    } finally {
      setTracingDisabled(true);
    }
  });
});

describe('outside a rollout', () => {
  it('gives the agent itself back, which does what it did', async () => {
    const own = await startServer(answering('own'));
    const writer = agent('writer', { model: chatModel(own.baseUrl), tools: [lookup] });
    expect(withLightning(withLightning(writer))).toBe(writer);
    expect((await run(writer, 'q')).finalOutput).toBe('own answers writer');
    expect(own.calls.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill('Bearer own-key'));
    expect(
      own.calls.filter(({ headers }) => Object.keys(headers).some((name) => name.startsWith('x-lightning'))),
    ).toEqual([]);
  });

  it('refuses what is not an agent, and an agentMatch that is not a regular expression', () => {
    expect(() => withLightning({} as never)).toThrow(/takes an Agent/);
    expect(() => withLightning(agent('a', {}), { agentMatch: 'a' as never })).toThrow(/regular expression/);
  });
});
