import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { expectTypeOf, test } from 'vitest';
import { withLightning } from './with-lightning.ts';

const writer = new Agent({ id: 'writer', name: 'Writer', instructions: 'Write.', model: 'openai/gpt-5' });
const mastra = new Mastra({ agents: { writer } });

test('what is wrapped keeps its exact type', () => {
  expectTypeOf(withLightning(writer, { agentMatch: /writer/ })).toEqualTypeOf<typeof writer>();
  expectTypeOf(withLightning(mastra)).toEqualTypeOf<typeof mastra>();
  expectTypeOf(withLightning(mastra).getAgent('writer')).toEqualTypeOf<typeof writer>();
});

test('wrong inputs are rejected', () => {
  // @ts-expect-error there is no such agent
  withLightning(mastra).getAgent('reader');
  // @ts-expect-error agentMatch is a regular expression
  withLightning(writer, { agentMatch: 'writer' });
  // @ts-expect-error not an agent
  withLightning({ id: 'writer' });
});
