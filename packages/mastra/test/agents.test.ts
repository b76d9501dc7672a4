import { outlineTrace, startTestRollout, type Responder } from '@agent-lightning/testing';
import { createDurableAgent } from '@mastra/core/agent/durable';
import { Mastra } from '@mastra/core/mastra';
import { MockMemory } from '@mastra/core/memory';
import { InMemoryStore } from '@mastra/core/storage';
import { createTool } from '@mastra/core/tools';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

describe('the ways to call an agent of Mastra', () => {
  it.each([
    ['generateLegacy', 'call generate'],
    ['streamLegacy', 'call stream'],
    ['network', 'as its `agents`'],
    ['resumeNetwork', 'as its `agents`'],
  ] as const)('refuse %s inside a rollout by name, for it cannot be followed', async (method, instead) => {
    const own = await startServer('own');
    const writer = withLightning(agentOf('writer', modelAt(own)));
    const rollout = startTestRollout(own.baseUrl);
    const call = writer[method].bind(writer) as (input: string) => Promise<unknown>;
    await expect(rollout.run(() => call('q'))).rejects.toMatchObject({
      name: 'AdapterError',
      code: 'adapter-unsupported',
      message: expect.stringContaining(`${method} of the agent "writer" cannot be followed`) as string,
    });
    await expect(rollout.run(() => call('q'))).rejects.toThrow(instead);
    expect([own.calls, await rollout.spans()]).toEqual([[], []]);
    await expect(call('q')).rejects.not.toMatchObject({ name: 'AdapterError' }); // Mastra’s own complaint
  });

  it.each([
    ['created as one', (agent: ReturnType<typeof agentOf>) => createDurableAgent({ agent })],
    ['durable by its configuration', (agent: ReturnType<typeof agentOf>) => agent],
  ])('refuse a durable agent, %s', async (how, durable) => {
    const own = await startServer('own');
    const agent = durable(agentOf('writer', modelAt(own), how === 'created as one' ? {} : { durable: true }));
    const writer = withLightning(agent as ReturnType<typeof agentOf>);
    const rollout = startTestRollout(own.baseUrl);
    const refused = {
      code: 'adapter-unsupported',
      message: expect.stringContaining('durable agent "writer"') as string,
    };
    await expect(rollout.run(() => writer.generate('q'))).rejects.toMatchObject(refused);
    await expect(rollout.run(() => writer.stream('q'))).rejects.toMatchObject(refused);
    expect([own.calls, await rollout.spans()]).toEqual([[], []]);
  });

  it('leave the model of a processor alone, and send that of a tool’s agent to the policy', async () => {
    const askOnce: Responder = ({ messages, tools }) =>
      tools === undefined || messages.some(({ role }) => role === 'tool')
        ? 'done'
        : { toolCalls: [{ name: 'ask', arguments: { what: 'x' } }] };
    const [own, policy] = [await startServer('own'), await startServer('policy', askOnce)];
    const [checker, helper] = [agentOf('checker', modelAt(own)), agentOf('helper', modelAt(own))];
    const ask = createTool({
      id: 'ask',
      description: 'Asks the helper.',
      inputSchema: z.object({ what: z.string() }),
      execute: async ({ what }) => (await helper.generate(what)).text,
    });
    const processor = {
      id: 'check',
      processInput: async ({ messages }: { messages: never[] }) => (await checker.generate('fine?'), messages),
    };
    const writer = withLightning(agentOf('writer', modelAt(own), { inputProcessors: [processor], tools: { ask } }));
    await startTestRollout(policy.baseUrl).run(() => writer.generate('q'));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 3]);
  });

  it.each(['generate', 'stream'] as const)('go on after an approval in the same rollout: %s', async (how) => {
    const [own, policy] = [
      await startServer('own'),
      await startServer('policy', ({ messages }) =>
        messages.some(({ role }) => role === 'tool')
          ? 'done'
          : { toolCalls: [{ name: 'pay', arguments: { euros: '5' } }] },
      ),
    ];
    const pay = createTool({
      id: 'pay',
      description: 'Pays.',
      inputSchema: z.object({ euros: z.string() }),
      requireApproval: true,
      execute: async ({ euros }) => `paid ${euros}`,
    });
    const clerk = agentOf('clerk', modelAt(own), { tools: { pay } });
    withLightning(new Mastra({ agents: { clerk }, storage: new InMemoryStore(), logger: false }));
    const rollout = startTestRollout(policy.baseUrl);
    const answer = await rollout.run(async () => {
      if (how === 'generate') {
        const { runId, finishReason } = await clerk.generate('q');
        expect(finishReason).toBe('suspended');
        return (await clerk.approveToolCallGenerate({ runId: runId! })).text;
      }
      const waiting = await clerk.stream('q');
      await waiting.consumeStream();
      const resumed = await clerk.approveToolCall({ runId: waiting.runId });
      await resumed.consumeStream();
      return resumed.text;
    });
    expect([answer, own.calls.length, policy.calls.length]).toEqual(['done', 0, 2]);
    expect(outlineTrace(await rollout.spans(), { agents: [], layers: [] })).toEqual([
      'agent clerk',
      '  model_call policy-0',
      'agent clerk',
      '  tool_call pay {"euros":"5"} → paid 5',
      '  model_call policy-1',
    ]);
  });

  it.each(['sendMessage', 'queueMessage'] as const)(
    'answer what is sent to a thread by the policy: %s',
    async (how) => {
      const [own, policy] = [await startServer('own'), await startServer('policy')];
      const { promise: finished, resolve } = Promise.withResolvers<unknown>();
      const defaultOptions = { onFinish: ({ text }: { text: unknown }) => resolve(text) };
      const writer = withLightning(agentOf('writer', modelAt(own), { memory: new MockMemory(), defaultOptions }));
      const answer = await startTestRollout(policy.baseUrl).run(async () => {
        await writer[how]('q', { resourceId: 'r', threadId: 't', ifIdle: { behavior: 'wake' } });
        return await finished;
      });
      expect([answer, own.calls.length, policy.calls.length]).toEqual(['policy says', 0, 1]);
    },
  );

  it('follow a stream until nothing goes on in the background', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = agentOf('writer', modelAt(own), { memory: new MockMemory() });
    withLightning(new Mastra({ agents: { writer }, storage: new InMemoryStore(), logger: false }));
    const rollout = startTestRollout(policy.baseUrl);
    const answer = await rollout.run(async () => {
      const output = await writer.streamUntilIdle('q', { memory: { thread: 't', resource: 'r' } });
      await output.consumeStream();
      return output.text;
    });
    expect([answer, own.calls.length]).toEqual(['policy says', 0]);
    expect(outlineTrace(await rollout.spans(), { agents: [], layers: [] })).toEqual([
      'agent writer',
      '  model_call policy-0',
    ]);
  });
});
