import { attributeNames } from '@agent-lightning/core';
import { startTestRollout, type ModelServer } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { describe, expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

const headers = { 'x-app': '1' };

const ownModel = ({ baseUrl: baseURL }: ModelServer) =>
  createOpenAICompatible({
    name: 'own',
    baseURL,
    apiKey: 'own-key',
    headers,
    transformRequestBody: (body) => ({ ...body, extra: 1 }),
  })('m');

describe('withLightning of Mastra', () => {
  it('gives back the same object, and changes no property of it', async () => {
    const writer = agentOf('writer', modelAt(await startServer('own')));
    const mastra = new Mastra({ agents: { writer }, logger: false });
    const shapeOf = () => [Object.getOwnPropertyDescriptors(writer), Object.getOwnPropertyDescriptors(mastra)];
    const before = shapeOf();
    expect(withLightning(mastra)).toBe(mastra);
    expect(withLightning(writer)).toBe(writer);
    expect(writer).toBeInstanceOf(Agent);
    expect(shapeOf()).toEqual(before);
  });

  it('leaves a method to what the app makes of it later, on the agent or on its class', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    class Writer extends Agent {}
    const writer = withLightning(
      new Writer({ id: 'writer', name: 'writer', instructions: 'Write.', model: modelAt(own) as never }),
    );
    const seen: string[] = [];
    const { generate } = Agent.prototype;
    Writer.prototype.generate = function (this: Agent, ...args: never[]) {
      seen.push('class');
      return Reflect.apply(generate, this, args) as never;
    } as never;
    expect((await writer.generate('q')).text).toBe('own says');
    expect((await startTestRollout(policy.baseUrl).run(() => writer.generate('q'))).text).toBe('policy says');
    expect(seen).toEqual(['class', 'class']);
    writer.generate = (() => Promise.resolve({ text: 'replaced' })) as never;
    expect((await writer.generate('q')).text).toBe('replaced');
  });

  it('adds each wrapper of an agent that is wrapped again, also by its instance', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = withLightning(agentOf('writer', modelAt(own)), { agentMatch: 'nobody' });
    const answer = async () => (await startTestRollout(policy.baseUrl).run(() => writer.generate('q'))).text;
    expect(await answer()).toBe('own says');
    withLightning(new Mastra({ agents: { writer }, logger: false }), { agentMatch: 'writer' });
    expect(await answer()).toBe('policy says');
  });

  it('follows what an instance is given later, and the forks of an agent, by its options', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const mastra = withLightning(new Mastra({ logger: false }), { agentMatch: /late/ });
    const [late, other] = [agentOf('late', modelAt(own)), agentOf('other', modelAt(own))];
    for (const agent of [late, other]) mastra.addAgent(agent);
    const step = createStep(agentOf('late-step', modelAt(own)));
    const flow = createWorkflow({ id: 'flow', inputSchema: step.inputSchema, outputSchema: step.outputSchema });
    mastra.addWorkflow(flow.then(step).commit());
    const answers = async () => [
      (await late.generate('q')).text,
      (await other.generate('q')).text,
      (await late.__fork().generate('q')).text,
      (await (await flow.createRun()).start({ inputData: { prompt: 'q' } })).status,
    ];
    expect(await answers()).toEqual(['own says', 'own says', 'own says', 'success']);
    expect(await startTestRollout(policy.baseUrl).run(answers)).toEqual([
      'policy says',
      'own says',
      'policy says',
      'success',
    ]);
    expect([own.calls.length, policy.calls.length]).toEqual([5, 3]);
  });

  it.each([
    ['an instance', modelAt],
    ['an endpoint', ({ baseUrl }: ModelServer) => ({ id: 'own/own-model', url: baseUrl, apiKey: 'own-key' })],
    ['a function', (own: ModelServer) => () => modelAt(own)],
    ['a list of fallbacks', (own: ModelServer) => [{ model: modelAt(own), maxRetries: 0 }]],
  ])('sends calls to the policy where the model is %s, and only inside a rollout', async (_name, model) => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = withLightning(agentOf('writer', model(own)));
    const rollout = startTestRollout(policy.baseUrl);
    expect((await rollout.run(() => writer.generate('q'))).text).toBe('policy says');
    expect((await writer.generate('q')).text).toBe('own says');
    expect(policy.calls.map(({ path }) => path)).toEqual(['/v1/chat/completions']);
    expect(own.calls.map(({ headers }) => headers.authorization)).toEqual(['Bearer own-key']);
    expect((await rollout.spans()).map(({ kind }) => kind)).toEqual(['model_call', 'agent']);
  });

  it.each([
    ['an instance', ownModel, [1, 'high', '1']],
    ['a function', (own: ModelServer) => () => ownModel(own), [1, 'high', '1']],
    ['a list of fallbacks', (own: ModelServer) => [{ model: ownModel(own), maxRetries: 0 }], [1, 'high', '1']],
    ['an endpoint', ({ baseUrl: url }: ModelServer) => ({ id: 'own/m', url, headers }), [undefined, 'high', '1']],
    [
      'an id',
      () => ({ id: 'openai/gpt-5', headers: { ...headers, Authorization: 'Bearer own' } }),
      [undefined, undefined, '1'],
    ],
  ])('sends the policy what the app gave its model, where that is %s', async (_name, model, expected) => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = withLightning(agentOf('writer', model(own)));
    const options = { providerOptions: { own: { reasoningEffort: 'high' } } };
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => writer.generate('q', options));
    const sent = policy.calls.map((call) => {
      const { extra, reasoning_effort: effort } = call.body as Record<string, unknown>;
      return [[extra, effort, call.headers['x-app']], call.headers.authorization];
    });
    expect([own.calls, sent]).toEqual([[], [[expected, `Bearer ${rollout.scope.llm?.apiKey}`]]]);
  });

  it('lets the policy answer in the place of a model of another dialect', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const model = createOpenAICompatible({ name: 'google.generative-ai', baseURL: own.baseUrl })('gemini');
    const writer = withLightning(agentOf('writer', model));
    expect((await startTestRollout(policy.baseUrl).run(() => writer.generate('q'))).text).toBe('policy says');
    expect(own.calls).toEqual([]);
  });

  it('sends a model of the router by its id to the policy', async () => {
    const policy = await startServer('policy');
    const writer = withLightning(agentOf('writer', 'openai/gpt-5'));
    const rollout = startTestRollout(policy.baseUrl);
    expect((await rollout.run(() => writer.generate('q'))).text).toBe('policy says');
    expect(policy.calls.map(({ body }) => (body as { model: string }).model)).toEqual([rollout.scope.llm?.model]);
  });

  it('follows the sub-agents of an agent, under the tool that calls them', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    policy.respondWith((request, call) =>
      call.index === 0
        ? { id: 'p0', toolCalls: [{ name: 'agent-helper', arguments: { prompt: 'help' } }] }
        : { id: `p${call.index}`, content: JSON.stringify(request.messages[0]).includes('helper') ? 'helped' : 'done' },
    );
    const helper = agentOf('helper', modelAt(own));
    const settings = { id: 'boss', name: 'boss', instructions: 'You are boss.', model: modelAt(own) };
    const boss = new Agent({ ...settings, agents: { helper } });
    const rollout = startTestRollout(policy.baseUrl);
    const result = await rollout.run(() => withLightning(boss).generate('q'));
    expect([result.text, own.calls.length]).toEqual(['done', 0]);
    const spans = await rollout.spans();
    const span = spans.find(({ kind, name }) => kind === 'agent' && name === 'helper');
    expect(span?.attributes[attributeNames.agentNames]).toEqual(['helper', 'boss/helper']);
    const parent = spans.find(({ spanId }) => spanId === span?.parentSpanId);
    expect(parent).toMatchObject({ kind: 'tool_call', name: 'agent-helper' });
  });

  it('refuses what is neither an agent nor a Mastra instance, and a pattern that is none', async () => {
    const agent = agentOf('a', modelAt(await startServer('own')));
    expect(() => withLightning({ id: 'a' } as never)).toThrow(/takes an Agent, a Workflow or a Mastra instance/);
    expect(() => withLightning(agent, { agentMatch: 'a|b' })).toThrow(/write the regular expression \/a\|b\//);
    expect(() => withLightning(agent, { agentMatch: 7 as never })).toThrow(/agentMatch must be/);
  });
});
