import { Agent, run } from '@openai/agents';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { withLightning } from './with-lightning.ts';

const agent = new Agent<{ user: string }, z.ZodObject<{ city: z.ZodString }>>({
  name: 'writer',
  outputType: z.object({ city: z.string() }),
});
const wrapped = withLightning(agent, { agentMatch: /writer/ });

test('the wrapped agent has the type of the agent', () => {
  expectTypeOf(wrapped).toEqualTypeOf<typeof agent>();
  expectTypeOf(withLightning(wrapped)).toEqualTypeOf<typeof agent>();
});

test('results are typed', async () => {
  const { finalOutput } = await run(wrapped, 'q', { context: { user: 'u' } });
  expectTypeOf(finalOutput).toEqualTypeOf<{ city: string } | undefined>();
});

test('what is not an agent is rejected', () => {
  // @ts-expect-error a name alone is not an agent
  withLightning({ name: 'writer' });
  // @ts-expect-error agentMatch is a regular expression, a name or names
  withLightning(agent, { agentMatch: 7 });
});
