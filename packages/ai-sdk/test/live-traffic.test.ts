import { captureRollouts, type RolloutCapture } from '@agent-lightning/capture';
import { MemoryStore } from '@agent-lightning/store';
import type { ModelGateway } from '@agent-lightning/core';
import type { ModelServer } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText, ToolLoopAgent, wrapLanguageModel, type LanguageModelMiddleware } from 'ai';
import { Agent } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { withLightning, type PolicyModel } from '../src/index.ts';
import { chatModel, modelOf, startServer } from './__fixtures__/agents.ts';
import { startRollout } from './__fixtures__/rollout.ts';

// As it was before a wrapper stood in front of it, and with a dispatcher of its own: a provider that reaches its own server, as one
// with another dialect does.
const originalFetch = globalThis.fetch;
const dispatcher = new Agent();
const ownFetch: typeof fetch = (input, init) => originalFetch(input, { ...init, dispatcher: dispatcher as never });
afterAll(() => dispatcher.close());

function foreignModel({ baseUrl }: ModelServer) {
  return createOpenAICompatible({ name: 'google', baseURL: baseUrl, apiKey: 'own-key', fetch: ownFetch })('own-model');
}

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

/** A chat model of a specification that is not the agent's own model's. */
const oldModel: PolicyModel = () =>
  ({ specificationVersion: 'v2', doGenerate: () => expect.unreachable('the old model was asked') }) as never;

async function generateUnwrapped(own: ModelServer): Promise<string> {
  const agent = withLightning(new ToolLoopAgent({ model: foreignModel(own) }));
  return (await agent.generate({ prompt: 'q' })).text;
}

async function streamUnwrapped(own: ModelServer): Promise<string> {
  const agent = withLightning(new ToolLoopAgent({ model: foreignModel(own), onError: () => undefined }));
  return await (
    await agent.stream({ prompt: 'q' })
  ).text;
}

async function generateWithOldPolicy(own: ModelServer): Promise<string> {
  const model = withLightning(foreignModel(own), { policyModel: oldModel });
  return (await generateText({ model, prompt: 'q' })).text;
}

/** A model with the app's middleware, in which another model would have to answer. */
function withMiddleware(own: ModelServer, inner = foreignModel(own)) {
  const middleware: LanguageModelMiddleware = {
    specificationVersion: 'v4',
    transformParams: ({ params }) => Promise.resolve({ ...params, temperature: 0.25 }),
  };
  return wrapLanguageModel({ model: inner, middleware });
}

async function generateWithMiddleware(own: ModelServer): Promise<string> {
  return (await generateText({ model: withLightning(withMiddleware(own)), prompt: 'q' })).text;
}

async function streamWithMiddleware(own: ModelServer): Promise<string> {
  return await streamText({ model: withLightning(withMiddleware(own)), prompt: 'q', onError: () => undefined }).text;
}

const unfollowed = [
  ['ai-sdk-middleware', 'generate', generateWithMiddleware],
  ['ai-sdk-middleware', 'stream', streamWithMiddleware],
  ['ai-sdk-other-dialect', 'generate', generateUnwrapped],
  ['ai-sdk-other-dialect', 'stream', streamUnwrapped],
  ['ai-sdk-model-version', 'generate', generateWithOldPolicy],
] as const;

describe('what cannot go to the gateway, in live traffic', () => {
  for (const sampleRate of [1, 0]) {
    it.each(unfollowed)(
      `is answered by its own model, and counted as %s (%s), at the sampling rate ${sampleRate}`,
      async (reason, _how, ask) => {
        const [own, policy] = [await startServer('own'), await startServer('policy')];
        const expected = await ask(own);
        const { capture, codes } = captureAt(sampleRate);
        const { result } = await capture.run('q', () => ask(own), { gateway: gatewayTo(policy) });
        expect(result).toBe(expected);
        expect(own.calls[1]!.body).toEqual(own.calls[0]!.body);
        expect([own.calls.length, policy.calls.length]).toEqual([2, 0]);
        expect(capture.statistics.untraceable).toEqual({ [reason]: 1 });
        expect(codes).toEqual(['adapter-unsupported']);
        expect(await capture.close()).toMatchObject({ started: 1, stored: sampleRate, unsampled: 1 - sampleRate });
      },
    );
  }

  it.each([generateUnwrapped, generateWithOldPolicy, generateWithMiddleware])(
    'is refused by the same code inside a rollout that trains: %o',
    async (ask) => {
      const own = await startServer('own');
      const { capture } = captureAt(1);
      const trained = startRollout(own.baseUrl).run(() => capture.run('q', () => ask(own)));
      await expect(trained).rejects.toMatchObject({ name: 'AdapterError', code: 'adapter-unsupported' });
      expect(capture.statistics.untraceable).toEqual({});
    },
  );

  it('is nothing where no gateway serves, or a gateway can', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const { capture } = captureAt(1);
    for (const [, , ask] of unfollowed) await capture.run('q', () => ask(own));
    const agent = withLightning(new ToolLoopAgent({ model: chatModel(own) }));
    await capture.run('q', () => agent.generate({ prompt: 'q' }));
    await capture.run('q', () => agent.generate({ prompt: 'q' }), { gateway: gatewayTo(policy) });
    expect([own.calls.map(modelOf), policy.calls.map(modelOf)]).toEqual([Array(6).fill('own-model'), ['policy']]);
    expect(capture.statistics.untraceable).toEqual({});
  });

  it('is served with the app’s middleware where the model inside it is wrapped, once more around it or not', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const model = withMiddleware(own, withLightning(foreignModel(own)));
    const rollout = startRollout(policy.baseUrl);
    for (const wrapped of [model, withLightning(model)])
      await rollout.run(() => generateText({ model: wrapped, prompt: 'q' }));
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(({ body }) => body)).toMatchObject(Array(2).fill({ temperature: 0.25 }));
  });
});

describe('what is frozen', () => {
  it('is an agent, a model or a provider like another', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const provider = createOpenAICompatible({ name: 'own', baseURL: own.baseUrl, apiKey: 'own-key' });
    const inner = new ToolLoopAgent({ model: chatModel(own) });
    const agent = withLightning(
      Object.freeze({
        version: 'agent-v1' as const,
        id: 'writer',
        generate: (options: never) => inner.generate(options),
        stream: (options: never) => inner.stream(options),
      }),
    );
    const model = withLightning(Object.freeze(wrapLanguageModel({ model: chatModel(own), middleware: [] })));
    const frozen = withLightning(Object.freeze(provider));
    const work = async () => {
      await agent.generate({ prompt: 'q' } as never);
      await generateText({ model, prompt: 'q' });
      await generateText({ model: frozen('own-model'), prompt: 'q' });
      await generateText({ model: frozen.chatModel('own-model'), prompt: 'q' });
    };
    await work();
    await captureAt(1).capture.run('q', work);
    await startRollout(policy.baseUrl).run(work);
    expect([own.calls.length, policy.calls.length]).toEqual([8, 4]);
    expect([Object.keys(model), 'generate' in agent]).toEqual([
      Object.keys(wrapLanguageModel({ model: chatModel(own), middleware: [] })),
      true,
    ]);
  });
});
