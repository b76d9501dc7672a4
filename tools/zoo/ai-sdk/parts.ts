import { instructionsOf } from '@agent-lightning/testing';
import { createOpenAICompatible, type OpenAICompatibleProvider } from '@ai-sdk/openai-compatible';
import { tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';
import type { Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';

/** Returns a page of the AI SDK's documentation. */
export const page = (path: string): string => `https://ai-sdk.dev/docs/${path}`;

export function providerOf({ openai, apiKey }: Surroundings): OpenAICompatibleProvider {
  return createOpenAICompatible({ name: 'own', baseURL: openai, apiKey, supportsStructuredOutputs: true });
}

/** Returns a wrapped model with a name. */
export function modelOf(around: Surroundings, name = 'writer') {
  return around.wrap(providerOf(around)('own-model'), { name });
}

/** Returns a prompt of an agent. */
export function asked(agent: string, prompt: string) {
  return { instructions: instructionsOf(agent), prompt };
}

/** A tool of most agents. */
export const weather = tool({
  description: 'Tells the weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `It is sunny in ${city}.`,
});

export const askWeather = [call('weather', { city: 'Oslo {q}' })];

export function agentOf(
  around: Surroundings,
  id: string,
  settings: Partial<ConstructorParameters<typeof ToolLoopAgent>[0]> = {},
) {
  return new ToolLoopAgent({
    id,
    model: providerOf(around)('own-model'),
    instructions: instructionsOf(id),
    ...settings,
  } as never);
}
