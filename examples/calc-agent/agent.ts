/** An agent that solves word problems: it has a calculator, and answers in a fixed form. */
import {
  Agent,
  MaxTurnsExceededError,
  ModelBehaviorError,
  OpenAIChatCompletionsModel,
  run,
  tool,
} from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';

import { calculate } from './calculator.ts';
import { describeError, describeValue, instructions } from './prompts.ts';

export const calculator = tool({
  name: 'calculator',
  description: 'Calculates an expression of numbers, + - * / and parentheses.',
  parameters: z.object({ expression: z.string() }),
  execute: ({ expression }) => describeValue(calculate(expression)),
  errorFunction: (_context, error) => describeError(error),
});

/** Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createCalcAgent({ model = 'tiny-calc' }: { readonly model?: string } = {}): Agent {
  return new Agent({
    name: 'solver',
    instructions,
    tools: [calculator],
    model: new OpenAIChatCompletionsModel(new OpenAI(), model),
    modelSettings: { temperature: 0, maxTokens: 64 },
  });
}

/** Model calls that one problem may take. */
const maxTurns = 4;

/** Returns the agent's last answer; empty when it only called tools, or called one that does not exist. */
export async function solve(agent: Agent, question: string, signal?: AbortSignal): Promise<string> {
  try {
    const { finalOutput } = await run(agent, question, { maxTurns, ...(signal && { signal }) });
    return finalOutput ?? '';
  } catch (error) {
    if (error instanceof MaxTurnsExceededError || error instanceof ModelBehaviorError) return '';
    throw error;
  }
}
