import { captureRollouts, type RolloutCapture } from '@agent-lightning/capture';
import { MemoryStore } from '@agent-lightning/store';
import type { ModelGateway } from '@agent-lightning/core';
import { startTestRollout, type ModelServer, type RecordedCall } from '@agent-lightning/testing';
import type { Agent } from '@mastra/core/agent';
import { createDurableAgent } from '@mastra/core/agent/durable';
import { Mastra } from '@mastra/core/mastra';
import { MockMemory } from '@mastra/core/memory';
import { createStep } from '@mastra/core/workflows';
import { createWorkflow as createEventedWorkflow } from '@mastra/core/workflows/evented';
import { wrapLanguageModel } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

/** Answers as a network's router, which picks the helper once and is content with it. */
const routing = JSON.stringify({
  primitiveId: 'helper',
  primitiveType: 'agent',
  prompt: 'go',
  selectionReason: 'it helps',
  isComplete: true,
  finalResult: 'done',
  completionReason: 'helped',
});

const asIs = <Member>(member: Member): Member => member;

async function readAll(chunks: AsyncIterable<{ readonly type: string }>): Promise<readonly string[]> {
  const types: string[] = [];
  for await (const { type } of chunks) types.push(type);
  return types;
}

/** Runs a network of an agent and its sub-agent. */
async function runNetwork(own: ModelServer, wrap: <Wrapped extends Agent>(agent: Wrapped) => Wrapped) {
  const helper = wrap(agentOf('helper', modelAt(own), { description: 'helps' }));
  const boss = wrap(agentOf('boss', modelAt(own), { agents: { helper }, memory: new MockMemory() }));
  const stream = await boss.network('q', { memory: { thread: 't', resource: 'r' }, maxSteps: 1 });
  return await readAll(stream);
}

async function runDurable(own: ModelServer, wrap: <Wrapped extends Agent>(agent: Wrapped) => Wrapped) {
  const durable = createDurableAgent({ agent: agentOf('writer', modelAt(own)) });
  const wrapped = wrap(durable as never) as unknown as typeof durable;
  const { output, cleanup } = await wrapped.stream('q');
  const text = await output.text;
  cleanup();
  return text;
}

async function generateDurably(own: ModelServer, wrap: <Wrapped extends Agent>(agent: Wrapped) => Wrapped) {
  const durable = createDurableAgent({ agent: agentOf('writer', modelAt(own)) });
  const wrapped = wrap(durable as never) as unknown as typeof durable;
  return (await wrapped.generate('q')).text;
}

/** A model of the AI SDK 4 is what it asks for, and so it complains of any other. */
async function runLegacy(own: ModelServer, wrap: <Wrapped extends Agent>(agent: Wrapped) => Wrapped) {
  const writer = wrap(agentOf('writer', modelAt(own)));
  return await writer.generateLegacy('q').catch((error: Error) => error.message);
}

/** A model of a provider with another dialect, with the app's middleware around it. */
const middlewareAt = (own: ModelServer, provider = 'google.generative-ai') =>
  wrapLanguageModel({
    model: modelAt(own),
    providerId: provider,
    middleware: {
      specificationVersion: 'v4',
      transformParams: ({ params }) => Promise.resolve({ ...params, temperature: 0.25 }),
    },
  });

/** Its requests keep their own way, as those of another dialect do. */
async function runWithMiddleware(own: ModelServer, wrap: <Wrapped extends Agent>(agent: Wrapped) => Wrapped) {
  return (await wrap(agentOf('writer', middlewareAt(own))).generate('q')).text;
}

const text = z.object({ text: z.string() });

async function runEvented(_own: ModelServer, wrap: <Wrapped extends Mastra>(mastra: Wrapped) => Wrapped) {
  const execute = async ({ inputData }: { inputData: { text: string } }) => ({ text: `${inputData.text}!` });
  const flow = createEventedWorkflow({ id: 'flow', inputSchema: text, outputSchema: text })
    .then(createStep({ id: 's', inputSchema: text, outputSchema: text, execute }))
    .commit();
  const mastra = wrap(new Mastra({ workflows: { flow }, logger: false }));
  return (await mastra.getWorkflow('flow').createRun()).workflowId;
}

const unfollowed = [
  ['mastra-network', runNetwork],
  ['mastra-durable-agent', runDurable],
  ['mastra-durable-agent', generateDurably],
  ['mastra-legacy', runLegacy],
  ['mastra-workflow-engine', runEvented],
] as const;

function captureAt(sampleRate: number): { readonly capture: RolloutCapture; readonly codes: string[] } {
  const codes: string[] = [];
  const onError = ({ code }: { readonly code: string }): void => void codes.push(code);
  return { capture: captureRollouts({ store: new MemoryStore(), sampleRate, onError }), codes };
}

/** A gateway whose every attempt leads to the server. */
function gatewayTo({ baseUrl }: ModelServer): ModelGateway {
  return {
    openAttempt: async () => ({ baseUrl, apiKey: 'gateway-key', model: 'policy', sampling: {} }),
    closeAttempt: async () => undefined,
  };
}

const requestOf = ({ body, headers }: RecordedCall): unknown => [body, headers.authorization];

describe('what cannot be followed, in live traffic', () => {
  for (const sampleRate of [1, 0]) {
    for (const isServed of [false, true]) {
      const how = `at the sampling rate ${sampleRate}, ${isServed ? 'with' : 'without'} a gateway`;
      it.each(unfollowed)(`does what it does elsewhere, and is counted as %s, ${how}`, async (reason, run) => {
        const [own, policy] = [await startServer('own', () => routing), await startServer('policy')];
        const expected = await run(own, asIs);
        const sent = own.calls.map(requestOf);
        const { capture, codes } = captureAt(sampleRate);
        const options = isServed ? { gateway: gatewayTo(policy) } : {};
        const { result } = await capture.run('q', () => run(own, withLightning), options);
        expect(result).toEqual(expected);
        expect(own.calls.slice(sent.length).map(requestOf)).toEqual(sent);
        expect(policy.calls).toEqual([]);
        expect(capture.statistics.untraceable).toEqual({ [reason]: 1 });
        expect(codes).toEqual(['adapter-unsupported']);
        expect(await capture.close()).toMatchObject({ started: 1, stored: sampleRate, unsampled: 1 - sampleRate });
      });
    }
  }

  it.each(unfollowed.filter(([reason]) => reason !== 'mastra-legacy'))(
    'is refused as %s by the same code inside a rollout that trains',
    async (_reason, run) => {
      const own = await startServer('own');
      const { capture } = captureAt(1);
      const trained = startTestRollout(own.baseUrl).run(() => capture.run('q', () => run(own, withLightning)));
      await expect(trained).rejects.toMatchObject({ name: 'AdapterError', code: 'adapter-unsupported' });
      expect([own.calls, capture.statistics.untraceable]).toEqual([[], {}]);
    },
  );

  it('leaves what can be followed with the gateway', async () => {
    const [own, policy] = [await startServer('own', () => routing), await startServer('policy')];
    const { capture } = captureAt(1);
    const writer = withLightning(agentOf('writer', modelAt(own)));
    const work = async () => [(await writer.generate('q')).text, await runNetwork(own, withLightning)];
    const { result } = await capture.run('q', work, { gateway: gatewayTo(policy) });
    expect(result[0]).toBe('policy says');
    expect([own.calls.length, policy.calls.length]).toEqual([3, 1]);
    expect(capture.statistics.untraceable).toEqual({ 'mastra-network': 1 });
  });

  it('is a model with middleware only where it cannot be redirected', async () => {
    const [own, policy] = [await startServer('own', () => routing), await startServer('policy')];
    const models = [middlewareAt(own, 'own.chat'), () => middlewareAt(own, 'own.chat')];
    for (const model of models) {
      const rollout = startTestRollout(policy.baseUrl);
      await rollout.run(() => withLightning(agentOf('writer', model)).generate('q'));
      expect((await rollout.spans()).map(({ kind }) => kind)).toEqual(['model_call', 'agent']);
    }
    expect([own.calls, policy.calls.map(({ body }) => (body as { temperature?: unknown }).temperature)]).toEqual([
      [],
      [0.25, 0.25],
    ]);
    const refused = startTestRollout(policy.baseUrl).run(() => runWithMiddleware(own, withLightning));
    await expect(refused).rejects.toMatchObject({ code: 'adapter-unsupported' });
    const live = captureAt(1);
    const { result } = await live.capture.run('q', () => runWithMiddleware(own, withLightning));
    expect([result, live.capture.statistics.untraceable]).toEqual([routing, {}]); // no gateway serves
    const served = captureAt(0);
    const unredirected = withLightning(agentOf('writer', middlewareAt(own)), { agentMatch: 'writer' });
    await served.capture.run('q', () => unredirected.generate('q'), { gateway: gatewayTo(policy) });
    expect(served.capture.statistics.untraceable).toEqual({ 'mastra-model-middleware': 1 });
  });

  it('is a frozen sub-agent, which does what it does unwrapped; one that is wrapped itself is refused at once', async () => {
    const own = await startServer('own');
    const helper = Object.freeze(agentOf('helper', modelAt(own), { description: 'helps' }));
    expect(() => withLightning(helper)).toThrow('freeze it after withLightning');
    const boss = withLightning(agentOf('boss', modelAt(own), { agents: { helper } }));
    const { capture } = captureAt(1);
    expect((await capture.run('q', async () => (await boss.generate('q')).text)).result).toBe('own says');
    expect(Object.keys(capture.statistics.untraceable)).toEqual(['mastra-frozen']);
  });
});
