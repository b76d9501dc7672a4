import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createWorkflow } from '@mastra/core/workflows';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { withLightning } from './with-lightning.ts';

const writer = new Agent({ id: 'writer', name: 'Writer', instructions: 'Write.', model: 'openai/gpt-5' });
const mastra = new Mastra({ agents: { writer } });

test('what is wrapped keeps its exact type', () => {
  expectTypeOf(withLightning(writer, { agentMatch: /writer/ })).toEqualTypeOf<typeof writer>();
  expectTypeOf(withLightning(mastra)).toEqualTypeOf<typeof mastra>();
  expectTypeOf(withLightning(mastra).getAgent('writer')).toEqualTypeOf<typeof writer>();
});

test('a workflow keeps its type', () => {
  const schema = z.object({ q: z.string() });
  const flow = createWorkflow({ id: 'flow', inputSchema: schema, outputSchema: schema }).commit();
  expectTypeOf(withLightning(flow)).toEqualTypeOf<typeof flow>();
});

test('wrong inputs are rejected', () => {
  // @ts-expect-error there is no such agent
  withLightning(mastra).getAgent('reader');
  // @ts-expect-error agentMatch is a regular expression, a name or names
  withLightning(writer, { agentMatch: 7 });
  // @ts-expect-error not an agent
  withLightning({ id: 'writer' });
});
