import { failureKinds } from '@agent-lightning/core';
import type { ScriptedReply } from '@agent-lightning/testing';
import { generateText, Output, stepCountIs, ToolLoopAgent } from 'ai';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { callTool, chatModel, lookup, startServer } from './__fixtures__/agents.ts';

async function startModel(reply: string | ScriptedReply) {
  return chatModel(await startServer('policy', () => reply));
}

/** Throws the error that the AI SDK has put into a tool call that it could not run, as an agent that wants no second try does. */
async function runStrictly(reply: ScriptedReply): Promise<void> {
  const agent = new ToolLoopAgent({ model: await startModel(reply), tools: { lookup }, stopWhen: stepCountIs(1) });
  const { steps } = await agent.generate({ prompt: 'q' });
  for (const call of steps.flatMap(({ toolCalls }) => toolCalls)) if ('error' in call) throw call.error;
}

const tooLong = {
  error: { message: 'too long', type: 'invalid_request_error', param: null, code: 'context_length_exceeded' },
};

it.each([
  ['AI_NoSuchToolError', 'policy', () => runStrictly(callTool('nowhere', { key: 'k' }))],
  ['AI_InvalidToolInputError', 'policy', () => runStrictly(callTool('lookup', { other: 'k' }))],
  [
    'AI_NoObjectGeneratedError',
    'policy',
    async () => {
      const output = Output.object({ schema: z.object({ text: z.string() }) });
      await generateText({ model: await startModel('no JSON'), prompt: 'q', output }).then((result) => result.output);
    },
  ],
  [
    'context_length_exceeded',
    'policy',
    async () => {
      const model = await startModel({ fault: { type: 'status', status: 400, body: JSON.stringify(tooLong) } });
      await generateText({ model, prompt: 'q', maxRetries: 0 });
    },
  ],
  [
    'http-5xx',
    'world',
    async () => {
      const model = await startModel({ fault: { type: 'status', status: 503 } });
      await generateText({ model, prompt: 'q', maxRetries: 0 });
    },
  ],
  [
    'ECONNREFUSED',
    'world',
    async () => {
      const server = await startServer('policy');
      await server.close();
      await generateText({ model: chatModel(server), prompt: 'q', maxRetries: 0 });
    },
  ],
] as const)('sorts %s as a failure of kind %s', async (code, kind, provoke) => {
  const thrown: unknown = await provoke().catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  expect(failureKinds.codeOf(thrown)).toBe(code);
  expect(failureKinds.of({ code, message: String(thrown) })).toBe(kind);
});
