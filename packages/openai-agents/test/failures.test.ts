import { failureKinds } from '@agent-lightning/core';
import { startModelServer, type ModelServer, type Responder } from '@agent-lightning/testing';
import { Agent, run, tool } from '@openai/agents';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import { chatModel } from './__fixtures__/adapter.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function startModel(respond: Responder) {
  const server = await startModelServer({ respond });
  open.push(server);
  return chatModel({ baseUrl: server.baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 });
}

/** Starts a model that calls a tool again and again. */
async function startCaller(name: string, args: string) {
  return await startModel((_, { index }) => ({ toolCalls: [{ id: `call-${index}`, name, arguments: args }] }));
}

const lookup = tool({
  name: 'lookup',
  description: 'Looks a key up.',
  parameters: z.object({ key: z.string() }),
  execute: async ({ key }) => key,
});

it.each([
  ['MaxTurnsExceededError', 'an agent that does not end', () => startCaller('lookup', '{"key":"k"}'), undefined],
  ['MaxTurnsExceededError', 'arguments that are no JSON', () => startCaller('lookup', '{"key":'), undefined],
  ['ModelBehaviorError', 'a tool that there is not', () => startCaller('nowhere', '{}'), undefined],
  [
    'ModelBehaviorError',
    'an answer of another form',
    () => startModel(() => 'no JSON'),
    z.object({ text: z.string() }),
  ],
] as const)('sorts %s as the policy’s failure: %s', async (code, _, startAgentModel, outputType) => {
  const model = await startAgentModel();
  const agent = new Agent({ name: 'writer', model, tools: [lookup], ...(outputType && { outputType }) });
  const thrown: unknown = await run(agent as unknown as Agent, 'q', { maxTurns: 3 }).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  expect(failureKinds.codeOf(thrown)).toBe(code);
  expect(failureKinds.of({ code, message: String(thrown) })).toBe('policy');
  expect(failureKinds.isTurnLimit({ code, message: '' })).toBe(code === 'MaxTurnsExceededError');
});

it('sorts a server that is overloaded as the world’s failure', async () => {
  const model = await startModel(() => ({ fault: { type: 'status', status: 429 } }));
  const thrown: unknown = await run(new Agent({ name: 'writer', model }), 'q').catch((error: unknown) => error);
  expect(failureKinds.of({ code: failureKinds.codeOf(thrown), message: '' })).toBe('world');
});
