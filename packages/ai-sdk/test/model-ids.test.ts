import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { ModelServer } from '@agent-lightning/testing';
import { gateway, generateObject, generateText, streamText, ToolLoopAgent } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { agentNamesOf, lookup, modelOf, startServer, toolThenAnswer } from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

const providerAt = ({ baseUrl }: ModelServer, name = 'own') =>
  createOpenAICompatible({ name, baseURL: baseUrl, apiKey: 'own-key' });

afterEach(() => {
  globalThis.AI_SDK_DEFAULT_PROVIDER = undefined;
});

describe('the id of a model', () => {
  it('is wrapped as the model that the global provider makes of it at the moment of a call', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = withLightning('openai/gpt-5', { name: 'writer' });
    globalThis.AI_SDK_DEFAULT_PROVIDER = providerAt(own) as never;
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => generateText({ model: writer, prompt: 'q' }));
    await rollout.run(() => streamText({ model: writer, prompt: 'q' }).text);
    expect(policy.calls.map(modelOf)).toEqual(Array(2).fill(rollout.scope.llm?.model));
    expect((await generateText({ model: writer, prompt: 'q' })).text).toBe('own heard "q"');
    expect(own.calls.map(modelOf)).toEqual(['openai/gpt-5']);
    expect(await rollout.outline()).toEqual([
      'agent writer',
      '  model_call policy/1',
      'agent writer',
      '  model_call policy/2',
    ]);
  });

  it('is the gateway’s model where the app has set no provider, and the policy answers it all the same', async () => {
    const policy = await startServer('policy', () => '{"n":1}');
    const writer = withLightning('openai/gpt-5', { name: 'writer' });
    const rollout = startRollout(policy.baseUrl);
    const schema = z.object({ n: z.number() });
    const { object } = await rollout.run(() => generateObject({ model: writer, prompt: 'q', schema }));
    expect(object).toEqual({ n: 1 });
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer']]);
    const { provider, modelId, specificationVersion } = gateway('openai/gpt-5');
    const seen = writer as typeof writer & { readonly provider: string };
    expect([seen.provider, seen.modelId, seen.specificationVersion]).toEqual([provider, modelId, specificationVersion]);
  });

  it.each(['generate', 'stream'] as const)('in a wrapped agent is followed with its tools: %s', async (how) => {
    for (const isGateway of [true, false]) {
      const [own, policy] = [await startServer('own'), await startServer('policy', toolThenAnswer('k1'))];
      globalThis.AI_SDK_DEFAULT_PROVIDER = isGateway ? undefined : (providerAt(own) as never);
      const agent = new ToolLoopAgent({ id: 'assistant', model: 'openai/gpt-5', tools: { lookup } });
      const rollout = startRollout(policy.baseUrl);
      const result = await rollout.run(() => withLightning(agent)[how]({ prompt: 'q' }));
      expect(await result.text).toBe('the answer');
      expect(own.calls).toEqual([]);
      expect(policy.calls.map(agentNamesOf)).toEqual([['assistant'], ['assistant']]);
      expect(await rollout.outline()).toEqual([
        'agent assistant',
        '  model_call policy/1',
        '  tool_call lookup {"key":"k1"} → value of k1',
        '    message looking up k1',
        '  model_call policy/2',
      ]);
    }
  });

  it('stays on its own model where agentMatch does not select it', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    globalThis.AI_SDK_DEFAULT_PROVIDER = providerAt(own) as never;
    const agent = withLightning(new ToolLoopAgent({ id: 'judge', model: 'openai/gpt-5' }), { agentMatch: /writer/ });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect([own.calls.map(modelOf), policy.calls]).toEqual([['openai/gpt-5'], []]);
    expect(await rollout.outline()).toEqual(['agent judge', '  model_call own/1']);
  });

  it('of 20 concurrent rollouts reaches each its own endpoint', async () => {
    const own = await startServer('own');
    globalThis.AI_SDK_DEFAULT_PROVIDER = providerAt(own, 'gateway') as never; // a name whose dialect is not OpenAI’s
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: 'openai/gpt-5', tools: { lookup } }));
    const runs = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const policy = await startServer(`p${index}`, toolThenAnswer(`k${index}`));
        return { index, policy, rollout: startRollout(policy.baseUrl) };
      }),
    );
    await Promise.all(
      runs.map(async ({ index, rollout }) => {
        const result = await rollout.run(() => agent[index % 2 === 0 ? 'stream' : 'generate']({ prompt: `q${index}` }));
        expect(await result.text).toBe('the answer');
      }),
    );
    expect(own.calls).toHaveLength(0);
    for (const { index, policy, rollout } of runs) {
      expect(policy.calls.map(modelOf)).toEqual(Array(2).fill(rollout.scope.llm?.model));
      expect((await rollout.outline()).join()).toContain(`p${index}/1`);
      expect((await rollout.outline()).join()).toContain(`value of k${index}`);
    }
  });
});

describe('a wrapped provider', () => {
  it('makes wrapped models, also of ids when it is the global one', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const provider = withLightning(providerAt(own), { name: 'writer' });
    globalThis.AI_SDK_DEFAULT_PROVIDER = provider as never;
    const rollout = startRollout(policy.baseUrl);
    const models = ['own-model', provider('own-model'), provider.chatModel('own-model')] as const;
    await rollout.run(async () => {
      for (const model of models) await generateText({ model, prompt: 'q' });
    });
    expect(policy.calls.map(agentNamesOf)).toEqual(Array(3).fill(['writer']));
    await generateText({ model: 'own-model', prompt: 'q' });
    expect(own.calls.map(modelOf)).toEqual(['own-model']);
    expect(provider.embeddingModel('e').modelId).toBe('e');
  });

  it.each([
    ['what it matches', /assistant/, /nobody/, 1],
    ['and leaves the rest to the agent', /nobody/, /assistant/, 1],
    ['and nothing is selected where neither matches', /nobody/, /nothing/, 0],
  ])('decides inside a wrapped agent for %s', async (_what, inner, outer, calls) => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    globalThis.AI_SDK_DEFAULT_PROVIDER = withLightning(providerAt(own, 'gateway'), { agentMatch: inner }) as never;
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model: 'own-model' }), { agentMatch: outer });
    await startRollout(policy.baseUrl).run(() => agent.generate({ prompt: 'q' }));
    expect([own.calls.length, policy.calls.length]).toEqual([1 - calls, calls]);
  });
});

describe('the global provider', () => {
  it('is what the app has set, but in a run of a wrapped agent', async () => {
    withLightning('openai/gpt-5');
    expect(globalThis.AI_SDK_DEFAULT_PROVIDER).toBeUndefined();
    const provider = providerAt(await startServer('own'));
    globalThis.AI_SDK_DEFAULT_PROVIDER = provider as never;
    expect(globalThis.AI_SDK_DEFAULT_PROVIDER).toBe(provider);
    await startRollout().run(async () => expect(globalThis.AI_SDK_DEFAULT_PROVIDER).toBe(provider));
  });
});
