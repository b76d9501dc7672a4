import { createOpenAI } from '@ai-sdk/openai';
import { generateText, Output, ToolLoopAgent, tool } from 'ai';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { withLightning } from './with-lightning.ts';

const model = createOpenAI({ apiKey: 'key' }).chat('gpt-5');
const add = tool({ inputSchema: z.object({ a: z.number() }), execute: ({ a }) => a + 1 });
const agent = new ToolLoopAgent({
  model,
  tools: { add },
  output: Output.object({ schema: z.object({ sum: z.number() }) }),
});

test('a wrapped model has the type of the model', () => {
  expectTypeOf(withLightning(model, { name: 'writer' })).toEqualTypeOf<typeof model>();
  expectTypeOf(withLightning(withLightning(model))).toEqualTypeOf<typeof model>();
});

test('a wrapped agent has the type of the agent, its tools and its output', async () => {
  const wrapped = withLightning(agent, { agentMatch: /add/ });
  expectTypeOf(wrapped).toEqualTypeOf<typeof agent>();
  expectTypeOf(wrapped.tools.add).toEqualTypeOf<typeof add>();
  expectTypeOf((await wrapped.generate({ prompt: 'q' })).output).toEqualTypeOf<{ sum: number }>();
  expectTypeOf((await generateText({ model: withLightning(model), prompt: 'q' })).text).toEqualTypeOf<string>();
});

test('a wrapped provider has the type of the provider, and an id becomes a model', async () => {
  const provider = createOpenAI({ apiKey: 'key' });
  expectTypeOf(withLightning(provider)).toEqualTypeOf<typeof provider>();
  expectTypeOf(withLightning(provider).chat('gpt-5')).toEqualTypeOf<typeof model>();
  const written = await generateText({ model: withLightning('openai/gpt-5', { name: 'writer' }), prompt: 'q' });
  expectTypeOf(written.text).toEqualTypeOf<string>();
});

test('wrong inputs are still rejected', () => {
  // @ts-expect-error a number is no id
  void withLightning(7);
  // @ts-expect-error agentMatch is a regular expression, a name or names
  void withLightning(model, { agentMatch: 7 });
  // @ts-expect-error an agent has no policyModel
  void withLightning(agent, { policyModel: () => model });
  // @ts-expect-error there is no such tool
  void withLightning(agent).tools.subtract;
  // @ts-expect-error the prompt is a text or messages
  void withLightning(agent).generate({ prompt: 7 });
});
