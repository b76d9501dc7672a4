import { agentNamesOf, type Responder } from '@agent-lightning/testing';
import { ToolLoopAgent, tool, type ModelMessage } from 'ai';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { chatModel, startServer } from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

/** Calls the tool that is on offer until it has a result, then answers. */
const script: Responder = ({ messages, tools }) =>
  tools === undefined || messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'remove', arguments: {} }] };

it.each(['generate', 'stream'] as const)(
  'goes on with the policy after a tool was approved, in the same rollout and in another: %s',
  async (how) => {
    const [own, first, next] = [
      await startServer('own'),
      await startServer('p', script),
      await startServer('q', script),
    ];
    const helper = withLightning(new ToolLoopAgent({ id: 'helper', model: chatModel(own) }));
    const remove = tool({
      description: 'Removes.',
      inputSchema: z.object({}),
      needsApproval: true,
      execute: async () => (await helper.generate({ prompt: 'help' })).text,
    });
    const agent = withLightning(new ToolLoopAgent({ id: 'clerk', model: chatModel(own), tools: { remove } }));
    const ask = async (messages: ModelMessage[]) => {
      if (how === 'generate') return await agent.generate({ messages });
      const result = await agent.stream({ messages });
      return { text: await result.text, content: await result.content, response: await result.response };
    };
    for (const resumed of [first, next]) {
      const rollout = startRollout(first.baseUrl);
      const question: ModelMessage = { role: 'user', content: 'q' };
      const waiting = await rollout.run(() => ask([question]));
      const request = waiting.content.find(({ type }) => type === 'tool-approval-request') as { approvalId: string };
      const approval = { type: 'tool-approval-response' as const, approvalId: request.approvalId, approved: true };
      const messages: ModelMessage[] = [question, ...waiting.response.messages, { role: 'tool', content: [approval] }];
      const after = resumed === first ? rollout : startRollout(next.baseUrl);
      expect((await after.run(() => ask(messages))).text).toBe('done');
    }
    expect(own.calls).toEqual([]);
    const names = [...first.calls, ...next.calls].map((call) => agentNamesOf(call)[0]);
    expect(names).toHaveLength(6);
    expect(names.filter((name) => name === 'clerk')).toHaveLength(4);
  },
);
