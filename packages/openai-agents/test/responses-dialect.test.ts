import { attributeNames } from '@agent-lightning/core';
import { startTestRollout } from '@agent-lightning/testing';
import { Agent, OpenAIResponsesModel, run } from '@openai/agents';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { startResponsesServer } from './__fixtures__/responses-server.ts';

it.each([false, true])('redirects and joins calls in the Responses dialect (stream: %s)', async (isStreamed) => {
  const own = await startResponsesServer('mine', 'resp_own');
  const policy = await startResponsesServer('trained', 'resp_policy');
  // Built before the agent is wrapped: importing the adapter is enough.
  const client = new OpenAI({ apiKey: 'own-key', baseURL: own.baseUrl, maxRetries: 0 });
  const writer = withLightning(new Agent({ name: 'writer', model: new OpenAIResponsesModel(client, 'own-model') }));
  const rollout = startTestRollout(policy.baseUrl);
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
  const [call] = await rollout.spans('model_call');
  expect(call?.attributes).toMatchObject({
    [attributeNames.responseId]: 'resp_policy',
    [attributeNames.inputTokens]: 3,
    [attributeNames.outputTokens]: 2,
    [attributeNames.cachedTokens]: 1,
  });
});
