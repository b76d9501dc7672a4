import { failureKinds } from '@agent-lightning/core';
import type { ScriptedReply } from '@agent-lightning/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

async function generate(reply: string | ScriptedReply, options: object = {}): Promise<void> {
  const server = await startServer('policy', () => reply);
  await agentOf('writer', modelAt(server)).generate('q', options);
}

it.each([
  [
    'STRUCTURED_OUTPUT_SCHEMA_VALIDATION_FAILED',
    'policy',
    () => generate('no JSON', { structuredOutput: { schema: z.object({ text: z.string() }) } }),
  ],
  ['http-5xx', 'world', () => generate({ fault: { type: 'status', status: 503 } })],
] as const)('sorts %s as a failure of kind %s', async (code, kind, provoke) => {
  const thrown: unknown = await provoke().catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  expect(failureKinds.codeOf(thrown)).toBe(code);
  expect(failureKinds.of({ code, message: String(thrown) })).toBe(kind);
});
