import { attributeNames } from '@agent-lightning/core';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  generateObject,
  generateText,
  isStepCount,
  Output,
  streamObject,
  streamText,
  tool,
  ToolLoopAgent,
  wrapLanguageModel,
} from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning, type PolicyModel } from '../src/index.ts';
import { agentNamesOf, chatModel, lookup, modelOf, startServer, toolThenAnswer } from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

const schema = z.object({ n: z.number() });
const json = () => '{"n":1}';
const stopWhen = isStepCount(5);

/** A model of a provider whose dialect the gateway does not serve, which answers by itself. */
function foreignModel(provider = 'google.generative-ai', cacheRead = 0) {
  return new MockLanguageModelV4({
    provider,
    modelId: 'own-model',
    doGenerate: {
      content: [{ type: 'text', text: 'from the own model' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 1, noCache: 1 - cacheRead, cacheRead, cacheWrite: 0 },
        outputTokens: { total: 2, text: 2, reasoning: 0 },
      },
      warnings: [],
    },
  });
}

const policyModel: PolicyModel = ({ baseUrl, apiKey, model }) =>
  createOpenAICompatible({ name: 'policy', baseURL: baseUrl, apiKey })(model);

describe('a wrapped model', () => {
  it('makes an operation an agent, named by the option, the functionId, or neither', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const named = withLightning(chatModel(own), { name: 'writer' });
    const unnamed = withLightning(chatModel(own));
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(async () => {
      await generateText({ model: named, prompt: 'q' });
      await generateText({ model: unnamed, prompt: 'q', telemetry: { functionId: 'reader' } });
      await generateText({ model: unnamed, prompt: 'q' });
    });
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer'], ['reader'], ['agent']]);
    expect(policy.calls.map(modelOf)).toEqual(Array(3).fill(rollout.scope.llm?.model));
    expect(await rollout.outline()).toEqual([
      'agent writer',
      '  model_call policy/1',
      'agent reader',
      '  model_call policy/2',
      'agent agent',
      '  model_call policy/3',
    ]);
  });

  it('tells the tokens that its server read from a cache', async () => {
    const rollout = startRollout();
    await rollout.run(async () => {
      await generateText({ model: withLightning(foreignModel('google.generative-ai', 1)), prompt: 'q' });
      await generateText({ model: withLightning(foreignModel()), prompt: 'q' });
    });
    const spans = (await rollout.spans()).filter(({ kind }) => kind === 'model_call');
    const told = spans.map(({ attributes }) =>
      [attributeNames.inputTokens, attributeNames.cachedTokens].map((name) => attributes[name]),
    );
    expect(told).toEqual([
      [1, 1],
      [1, undefined],
    ]);
  });

  it('traces the steps and tools of generateText and streamText', async () => {
    const outline = (first: number) => [
      'agent writer',
      `  model_call policy/${first}`,
      '  tool_call lookup {"key":"k1"} → value of k1',
      '    message looking up k1',
      `  model_call policy/${first + 1}`,
    ];
    const policy = await startServer('policy', toolThenAnswer('k1'));
    const model = withLightning(chatModel(policy), { name: 'writer' });
    const request = { model, prompt: 'q', tools: { lookup }, stopWhen };
    const whole = startRollout(policy.baseUrl);
    await whole.run(() => generateText(request));
    expect(await whole.outline()).toEqual(outline(1));

    const streamed = startRollout(policy.baseUrl);
    const result = streamed.run(() => streamText(request));
    expect(await result.text).toBe('the answer');
    expect(await streamed.outline()).toEqual(outline(3));
  });

  it('is traced where the AI SDK reports no model calls: objects, telemetry that is off, calls by hand', async () => {
    const policy = await startServer('policy', json);
    const model = withLightning(chatModel(policy), { name: 'writer' });
    const prompt = 'q';
    const operations: (() => Promise<unknown>)[] = [
      () => generateObject({ model, prompt, schema }),
      () => streamObject({ model, prompt, schema }).partialObjectStream.pipeTo(new WritableStream()),
      () => generateText({ model, prompt, output: Output.object({ schema }), telemetry: { isEnabled: false } }),
      async () => streamText({ model, prompt, telemetry: { isEnabled: false } }).text,
      async () => model.doGenerate({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'q' }] }] }),
    ];
    for (const [index, operation] of operations.entries()) {
      const rollout = startRollout(policy.baseUrl);
      await rollout.run(operation);
      expect(agentNamesOf(policy.calls[index])).toEqual(['writer']);
      expect(await rollout.outline()).toEqual(['agent writer', `  model_call policy/${index + 1}`]);
    }
  });

  it('works on /chat/completions and /responses alike', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const provider = createOpenAI({ baseURL: own.baseUrl, apiKey: 'own-key' });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => generateText({ model: withLightning(provider.chat('own-model')), prompt: 'q' }));
    // The scripted server has no such route: what matters is that the call came to it.
    const responses = generateText({ model: withLightning(provider('own-model')), prompt: 'q', maxRetries: 0 });
    await expect(responses).rejects.toThrow('no route POST /v1/responses');
    const inside = rollout.run(() =>
      generateText({ model: withLightning(provider('own-model')), prompt: 'q', maxRetries: 0 }),
    );
    await expect(inside).rejects.toThrow('no route POST /v1/responses');
    expect(policy.calls.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/v1/responses']);
    expect(modelOf(policy.calls[1])).toBe(rollout.scope.llm?.model);
  });

  it('stays on its own model where agentMatch does not select it', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const model = withLightning(chatModel(own), { agentMatch: /^writer$/ });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(async () => {
      await generateText({ model, prompt: 'q', telemetry: { functionId: 'writer' } });
      await generateText({ model, prompt: 'q', telemetry: { functionId: 'judge' } });
      await generateText({ model: chatModel(own), prompt: 'not wrapped' });
    });
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer']]);
    expect(own.calls.map(modelOf)).toEqual(['own-model', 'own-model']);
    expect(await rollout.outline()).toEqual([
      'agent writer',
      '  model_call policy/1',
      'agent judge',
      '  model_call own/1',
    ]);
  });

  it('leaves the models of other steps and of tools alone, which nobody wrapped', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy', toolThenAnswer('x'))];
    const helper = new ToolLoopAgent({ id: 'helper', model: chatModel(own) });
    const ask = tool({
      description: 'Asks the helper.',
      inputSchema: z.object({ key: z.string() }),
      execute: async ({ key }) => (await helper.generate({ prompt: key })).text,
    });
    const rollout = startRollout(policy.baseUrl);
    const { steps } = await rollout.run(() =>
      generateText({
        model: withLightning(chatModel(own), { name: 'writer' }),
        prompt: 'q',
        tools: { lookup: ask },
        stopWhen: isStepCount(2),
        prepareStep: ({ stepNumber }) => (stepNumber === 0 ? {} : { model: chatModel(own) }),
      }),
    );
    expect(steps).toHaveLength(2);
    expect([policy.calls.map(agentNamesOf), own.calls.map(modelOf)]).toEqual([
      [['writer']],
      ['own-model', 'own-model'],
    ]);
  });

  it('decides inside a wrapped agent, and works under other middleware', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const inner = withLightning(chatModel(own), { name: 'draft', agentMatch: /^draft$/ });
    const model = wrapLanguageModel({ model: inner, middleware: { specificationVersion: 'v4' } });
    const agent = withLightning(new ToolLoopAgent({ id: 'assistant', model }), { agentMatch: /^nobody$/ });
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => agent.generate({ prompt: 'q' }));
    expect(policy.calls.map(agentNamesOf)).toEqual([['draft', 'assistant']]);
    expect(await rollout.outline()).toEqual(['agent assistant', '  model_call policy/1']);
  });

  it('is one model when it is wrapped twice, with the policyModel of the inner wrapper', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const policyModelOf =
      (id: string): PolicyModel =>
      ({ baseUrl, apiKey }) =>
        createOpenAICompatible({ name: 'policy', baseURL: baseUrl, apiKey })(id);
    const inner = withLightning(chatModel(own), {
      name: 'draft',
      agentMatch: /^nobody$/,
      policyModel: policyModelOf('inner'),
    });
    const outer = { name: 'writer', agentMatch: /^draft$/, policyModel: policyModelOf('outer') };
    const rollout = startRollout(policy.baseUrl);
    await rollout.run(() => generateText({ model: withLightning(inner, outer), prompt: 'q' }));
    expect([own.calls, policy.calls.map(modelOf)]).toEqual([[], ['inner']]);
    expect(await rollout.outline()).toEqual(['agent writer', '  model_call policy/1']);
  });

  it('passes every other member of the model on', async () => {
    const own = await startServer('own');
    const model = chatModel(own);
    const wrapped = withLightning(model);
    expect(wrapped).toBeInstanceOf(model.constructor);
    expect([wrapped.provider, wrapped.modelId, wrapped.specificationVersion]).toEqual([
      model.provider,
      model.modelId,
      model.specificationVersion,
    ]);
    expect(await wrapped.supportedUrls).toEqual(await model.supportedUrls);
  });
});

describe('a provider with another dialect', () => {
  it('is answered by the policyModel where it is selected, and by itself elsewhere', async () => {
    const policy = await startServer('policy');
    const model = withLightning(foreignModel(), { policyModel, agentMatch: /writer/ });
    const rollout = startRollout(policy.baseUrl);
    const ask = (functionId: string) => generateText({ model, prompt: 'q', telemetry: { functionId } });
    const [writer, judge] = await rollout.run(() => Promise.all([ask('writer'), ask('judge')]));
    expect([writer.text, judge.text]).toEqual(['policy heard "q"', 'from the own model']);
    expect((await ask('writer')).text).toBe('from the own model');
    expect(policy.calls.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${rollout.scope.llm?.apiKey}`]);
    expect(agentNamesOf(policy.calls[0])).toEqual(['writer']);
  });

  it('is answered by a chat model of the endpoint where it has no policyModel', async () => {
    const policy = await startServer('policy', json);
    const model = withLightning(foreignModel(), { name: 'writer' });
    const rollout = startRollout(policy.baseUrl);
    const [whole, streamed] = await rollout.run(async () => [
      await generateText({ model, prompt: 'q', output: Output.object({ schema }) }),
      await streamText({ model, prompt: 'q' }).text,
    ]);
    expect([whole.output, streamed]).toEqual([{ n: 1 }, json()]);
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer'], ['writer']]);
    expect(policy.calls.map(modelOf)).toEqual(Array(2).fill(rollout.scope.llm?.model));
    expect(await rollout.outline()).toEqual([
      'agent writer',
      '  model_call policy/1',
      'agent writer',
      '  model_call policy/2',
    ]);
  });

  it('is refused where a wrapped agent has it unwrapped', async () => {
    const rollout = startRollout('http://127.0.0.1:1/v1');
    const refused = { code: 'adapter-unsupported', message: expect.stringContaining('withLightning(model)') as string };
    const agent = withLightning(new ToolLoopAgent({ model: foreignModel('gateway') }));
    await expect(rollout.run(() => agent.generate({ prompt: 'q' }))).rejects.toMatchObject(refused);
    expect((await agent.generate({ prompt: 'q' })).text).toBe('from the own model');
  });

  it('has its answers traced without the response id that the AI SDK makes up', async () => {
    const rollout = startRollout();
    await rollout.run(() => generateText({ model: withLightning(foreignModel()), prompt: 'q' }));
    expect(await rollout.outline()).toEqual(['agent agent', '  model_call -']);
  });

  it('is refused a policyModel of another specification', async () => {
    const rollout = startRollout('http://127.0.0.1:1/v1');
    const old = { ...policyModel({ baseUrl: '', apiKey: '', model: '', sampling: {} }), specificationVersion: 'v2' };
    const model = withLightning(foreignModel(), { policyModel: () => old as never });
    await expect(rollout.run(() => generateText({ model, prompt: 'q' }))).rejects.toThrow("the policy's model v2");
  });
});

describe('what is rejected', () => {
  it.each([
    ['an empty id', () => withLightning(''), 'adapter-unsupported', '""'],
    ['nothing', () => withLightning(undefined as never), 'adapter-unsupported', 'ToolLoopAgent'],
    [
      'an agentMatch that is no pattern',
      () => withLightning(foreignModel(), { agentMatch: 'a|b' }),
      'option-invalid',
      '/a|b/',
    ],
    ['an empty name', () => withLightning(foreignModel(), { name: '' }), 'option-invalid', 'name'],
    [
      'a policyModel that is no function',
      () => withLightning(foreignModel(), { policyModel: 7 as never }),
      'option-invalid',
      '7',
    ],
    [
      'a policyModel for an agent',
      () => withLightning(new ToolLoopAgent({ model: foreignModel() }), { policyModel } as never),
      'option-unsupported',
      'policyModel',
    ],
  ])('%s', (_what, wrap, code, text) => {
    expect(wrap).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) as string }));
  });
});
