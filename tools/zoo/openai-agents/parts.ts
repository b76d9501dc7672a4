import { instructionsOf } from '@agent-lightning/testing';
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, tool, type AgentOptions } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import type { Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';

/** Returns a guide of the SDK. */
export const guide = (path: string): string => `https://openai.github.io/openai-agents-js/guides/${path}`;

export function openaiClient({ openai, apiKey }: Surroundings, maxRetries = 0): OpenAI {
  return new OpenAI({ baseURL: openai, apiKey, maxRetries });
}

export function chatModel(around: Surroundings): OpenAIChatCompletionsModel {
  return new OpenAIChatCompletionsModel(openaiClient(around) as never, 'own-model');
}

export function responsesModel(around: Surroundings): OpenAIResponsesModel {
  return new OpenAIResponsesModel(openaiClient(around) as never, 'own-model');
}

/** Returns an agent that introduces itself and asks a model by Chat Completions. */
export function agentOf(around: Surroundings, name: string, options: Partial<AgentOptions> = {}): Agent {
  return new Agent({ name, instructions: instructionsOf(name), model: chatModel(around), ...options });
}

/** A tool of most agents. */
export const weather = tool({
  name: 'weather',
  description: 'Tells the weather of a city.',
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `It is sunny in ${city}.`,
});

export const askWeather = [call('weather', { city: 'Oslo {q}' })];
