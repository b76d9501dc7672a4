import { instructionsOf } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Agent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import type { Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';

/** Returns a page of Mastra's documentation. */
export const page = (path: string): string => `https://mastra.ai/docs/${path}`;

type Settings = ConstructorParameters<typeof Agent>[0];

// A model of the AI SDK has another type than Mastra's under exactOptionalPropertyTypes.
export function modelOf({ openai, apiKey }: Surroundings, id = 'own-model'): Settings['model'] {
  return createOpenAICompatible({ name: 'own', baseURL: openai, apiKey, supportsStructuredOutputs: true })(id) as never;
}

/** Returns an agent that introduces itself. */
export function agentOf(
  around: Surroundings,
  id: string,
  settings: Partial<Record<keyof Settings, unknown>> = {},
): Agent {
  const base = { id, name: id, instructions: instructionsOf(id), model: modelOf(around), maxRetries: 0 };
  const agent = new Agent({ ...base, ...settings } as Settings);
  agent.__setLogger(noopLogger);
  return agent as Agent;
}

/** A tool of most agents. */
export const weather = createTool({
  id: 'weather',
  description: 'Tells the weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => Promise.resolve(`It is sunny in ${city}.`),
});

export const askWeather = [call('weather', { city: 'Oslo {q}' })];
