/** An agent that answers questions from a library: it searches, reads, searches again, and answers. */
import { createOpenAI } from '@ai-sdk/openai';
import { stepCountIs, tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';

import type { SearchIndex } from './search.ts';

export const instructions = 'Search, then say Answer: and the name.';

/** Writes a search's result for the model: the best passages, a line each. */
export function describePassages(passages: readonly string[]): string {
  return passages.length === 0 ? 'nothing found' : passages.join('\n');
}

/** The number of passages that a search returns. */
export const passagesPerSearch = 2;

/** Builds the agent. Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createRagAgent(index: SearchIndex, { model = 'tiny-rag', maxSteps = 4 } = {}) {
  const search = tool({
    description: 'Searches the library by keywords.',
    inputSchema: z.object({ query: z.string() }),
    execute: ({ query }) => describePassages(index.search(query, passagesPerSearch)),
  });
  return new ToolLoopAgent({
    id: 'researcher',
    model: createOpenAI().chat(model),
    instructions,
    tools: { search },
    stopWhen: stepCountIs(maxSteps),
    temperature: 0,
    maxOutputTokens: 48,
  });
}
