/** An agent that answers questions from a library: it searches, reads, searches again, and answers. */
import { createOpenAI } from '@ai-sdk/openai';
import { stepCountIs, tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';

import type { SearchIndex } from './search.ts';

/** The instructions of the tiny model. */
export const tinyInstructions = 'Search, then say Answer: and the name.';

/** Writes a search's result for the model: the best passages, a line each. */
export function describePassages(passages: readonly string[]): string {
  return passages.length === 0 ? 'nothing found' : passages.join('\n');
}

/** The number of passages that a search of the tiny model returns. */
export const passagesPerSearch = 2;

export interface RagAgentOptions {
  readonly model?: string;
  readonly instructions?: string;
  /** The number of passages that a search returns. */
  readonly passages?: number;
  /** The most model calls of one question. */
  readonly maxSteps?: number;
  /** The most tokens of one model call. */
  readonly maxTokens?: number;
}

/** Builds the agent. Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createRagAgent(
  index: SearchIndex,
  {
    model = 'tiny-rag',
    instructions = tinyInstructions,
    passages = passagesPerSearch,
    maxSteps = 4,
    maxTokens = 48,
  }: RagAgentOptions = {},
) {
  const search = tool({
    description: 'Searches the library by keywords.',
    inputSchema: z.object({ query: z.string() }),
    execute: ({ query }) => describePassages(index.search(query, passages)),
  });
  return new ToolLoopAgent({
    id: 'researcher',
    model: createOpenAI().chat(model),
    instructions,
    tools: { search },
    stopWhen: stepCountIs(maxSteps),
    temperature: 0,
    maxOutputTokens: maxTokens,
  });
}
