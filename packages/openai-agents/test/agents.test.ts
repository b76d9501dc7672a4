import { attributeNames } from '@agent-lightning/core';
import { currentRollout, emitReward } from '@agent-lightning/tracing';
import {
  agentNamesOf,
  startModelServer,
  startTestRollout,
  type ModelServer,
  type Responder,
} from '@agent-lightning/testing';
import { Agent, getGlobalTraceProvider, run, Runner, setDefaultModelProvider, tool } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { chatModel } from './__fixtures__/adapter.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function startServer(respond: Responder = () => 'hello'): Promise<ModelServer> {
  const server = await startModelServer({ respond });
  open.push(server);
  return server;
}

const modelAt = ({ baseUrl }: ModelServer) =>
  chatModel({ baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 });

describe('withLightning', () => {
  it('returns the agent itself, and changes nothing of it', async () => {
    const own = await startServer();
    const agent = new Agent({ name: 'writer', model: modelAt(own) });
    const shapeOf = (): unknown => [
      Object.getOwnPropertyDescriptors(agent),
      Object.getPrototypeOf(agent),
      (agent as unknown as { eventEmitter: { listenerCount?(type: string): number } }).eventEmitter.listenerCount?.(
        'agent_start',
      ),
    ];
    const before = shapeOf();
    expect(withLightning(agent, { agentMatch: /writer/ })).toBe(agent);
    expect(shapeOf()).toEqual(before);
    await startTestRollout(own.baseUrl).run(() => run(agent, 'q'));
    expect(shapeOf()).toEqual(before);
  });

  it('adds each wrapper of an agent that is wrapped again', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own) }), { agentMatch: /nobody/ });
    await startTestRollout(policy.baseUrl).run(() => run(agent, 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 0]);
    withLightning(agent, { agentMatch: /writer/ });
    withLightning(agent, { agentMatch: /somebody/ });
    await startTestRollout(policy.baseUrl).run(() => run(agent, 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 1]);
  });

  it('keeps a Runner, its hooks and its model provider as they are', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const runner = new Runner({ modelProvider: { getModel: () => modelAt(own) }, tracingDisabled: true });
    const seen: string[] = [];
    runner.on('agent_start', (_context, { name }) => void seen.push(name));
    const agent = withLightning(new Agent({ name: 'writer' }));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => runner.run(agent, 'q'));
    expect(seen).toEqual(['writer']);
    expect([own.calls.length, policy.calls.length]).toEqual([0, 1]);
    expect((await rollout.spans()).map(({ kind }) => kind)).toEqual(['model_call', 'agent']);
  });

  it('leaves agents that nobody wrapped on their own model', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    withLightning(new Agent({ name: 'other', model: modelAt(own) }));
    const agent = new Agent({ name: 'writer', model: modelAt(own) });
    await startTestRollout(policy.baseUrl).run(() => run(agent, 'q'));
    expect([own.calls.length, policy.calls.length]).toEqual([1, 0]);
  });

  it('selects an agent that is wrapped only as a tool, and by its path', async () => {
    const [own, policy] = [await startServer(callHelperOnce), await startServer()];
    const helper = withLightning(new Agent({ name: 'helper', model: modelAt(own) }), { agentMatch: /^boss\/helper$/ });
    const boss = new Agent({ name: 'boss', model: modelAt(own), tools: [helper.asTool({ toolName: 'ask' })] });
    await startTestRollout(policy.baseUrl).run(() => run(boss, 'q'));
    expect(own.calls).toHaveLength(2);
    expect(policy.calls.map(agentNamesOf)).toEqual([['helper', 'boss/helper']]);
  });

  it('wraps the clones of a wrapped agent, with its wrappers of that moment', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own) }), { agentMatch: /writer|editor/ });
    const editor = agent.clone({ name: 'editor' }).clone({ instructions: 'Edit.' });
    withLightning(agent, { agentMatch: /other/ });
    for (const each of [editor, editor.clone({ name: 'other' }), agent.clone({ name: 'another' })])
      await startTestRollout(policy.baseUrl).run(() => run(each, 'q'));
    expect(policy.calls.map(agentNamesOf)).toEqual([['editor'], ['another']]);
    expect(own.calls).toHaveLength(1);
    expect(editor).toBeInstanceOf(Agent);
  });

  it('follows an agent of a class whose clone is its own', async () => {
    class Writer extends Agent {
      override clone(config: Parameters<Agent['clone']>[0]): Agent {
        return new Writer({ name: this.name, model: this.model, ...config } as never) as never;
      }
    }
    const [own, policy] = [await startServer(), await startServer()];
    const agent = withLightning(new Writer({ name: 'writer', model: modelAt(own) }));
    await startTestRollout(policy.baseUrl).run(() => run(agent.clone({ name: 'editor' }), 'q'));
    expect(policy.calls.map(agentNamesOf)).toEqual([['editor']]);
  });

  it('refuses what is not an agent, and a pattern that is not one', () => {
    const refuse = (work: () => unknown, code: string) => expect(work).toThrow(expect.objectContaining({ code }));
    refuse(() => withLightning({ name: 'writer' } as never), 'adapter-unsupported');
    refuse(() => withLightning(undefined as never), 'adapter-unsupported');
    const foreign = { name: 'writer', on: () => undefined, clone: () => undefined };
    refuse(() => withLightning(foreign as never), 'adapter-unsupported');
    refuse(() => withLightning(new Agent({ name: 'a' }), { agentMatch: 'a|b' }), 'option-invalid');
  });
});

const callHelperOnce: Responder = ({ messages }) =>
  messages.some(({ role }) => role === 'tool')
    ? 'done'
    : { toolCalls: [{ name: 'ask', arguments: { input: 'help' } }] };

describe('the trace', () => {
  it('has guardrails, and the agents that they ask', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const checker = new Agent({ name: 'checker', model: modelAt(own) });
    const agent = withLightning(
      new Agent({
        name: 'writer',
        model: modelAt(own),
        inputGuardrails: [
          {
            name: 'polite',
            runInParallel: false,
            execute: async ({ input }) => {
              const { finalOutput } = await run(checker, input);
              return { tripwireTriggered: false, outputInfo: finalOutput };
            },
          },
        ],
      }),
      { agentMatch: /writer/ },
    );
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => run(agent, 'q'));
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer']]);
    expect(own.calls).toHaveLength(1);
    const spans = await rollout.spans();
    expect(
      spans
        .filter(({ kind }) => kind !== 'model_call')
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['checker', 'guardrail polite', 'writer']);
  });

  it('takes rewards and nested calls of a tool under the tool', async () => {
    const [own, policy] = [await startServer(), await startServer(callHelperOnce)];
    const ask = tool({
      name: 'ask',
      description: 'Asks.',
      parameters: z.object({ input: z.string() }),
      execute: () => {
        emitReward(0.5, { scope: { agent: 'writer' } });
        return 'asked';
      },
    });
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own), tools: [ask] }));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => run(agent, 'q'));
    const [toolSpan] = await rollout.spans('tool_call');
    const [reward] = await rollout.spans('reward');
    expect(reward?.parentSpanId).toBe(toolSpan?.spanId);
    expect(toolSpan?.attributes).toMatchObject({
      [attributeNames.toolArguments]: '{"input":"help"}',
      [attributeNames.toolResult]: 'asked',
    });
  });

  it('reaches no exporter inside a rollout, and only them outside', async () => {
    const own = await startServer();
    const seen: (string | undefined)[] = [];
    const nothing = () => Promise.resolve();
    const see = () => Promise.resolve(void seen.push(currentRollout()?.rollout.rolloutId));
    const provider = getGlobalTraceProvider();
    provider.setDisabled(false);
    provider.setProcessors([
      {
        onTraceStart: see,
        onTraceEnd: nothing,
        onSpanStart: see,
        onSpanEnd: nothing,
        shutdown: nothing,
        forceFlush: nothing,
      },
    ]);
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own) }));
    const rollout = startTestRollout(own.baseUrl);
    await rollout.run(() => run(agent, 'q'));
    expect(seen).toEqual([]);
    await run(agent, 'q');
    expect(seen.length).toBeGreaterThan(2);
    expect(await rollout.spans()).toHaveLength(2);
    provider.setProcessors([]);
    provider.setDisabled(true);
  });

  it('has the response id of the Responses dialect', async () => {
    const policy = await startServer();
    const reply = { id: 'resp_7', object: 'response', status: 'completed', model: 'm', output: [message('hi')], usage };
    const original = globalThis.fetch;
    const urls: string[] = [];
    globalThis.fetch = (input) => {
      urls.push(String(input instanceof Request ? input.url : input));
      return Promise.resolve(Response.json(reply));
    };
    try {
      const { OpenAIProvider } = await import('@openai/agents');
      setDefaultModelProvider(new OpenAIProvider({ apiKey: 'own-key', baseURL: 'http://own.invalid/v1' }));
      const rollout = startTestRollout(policy.baseUrl);
      const result = await rollout.run(() => run(withLightning(new Agent({ name: 'writer', model: 'gpt' })), 'q'));
      expect(result.finalOutput).toBe('hi');
      const [call] = await rollout.spans('model_call');
      expect(call?.attributes[attributeNames.responseId]).toBe('resp_7');
      expect(call?.attributes[attributeNames.inputTokens]).toBe(3);
      expect(urls).toHaveLength(1);
    } finally {
      globalThis.fetch = original;
    }
  });
});

const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };

function message(text: string) {
  return {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  };
}
