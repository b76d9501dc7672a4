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
import { describeError, describeValue, instructions as tinyInstructions } from './prompts.ts';

export const calculator = tool({
  name: 'calculator',
  description: 'Calculates an expression of numbers, + - * / and parentheses.',
  parameters: z.object({ expression: z.string() }),
  execute: ({ expression }) => describeValue(calculate(expression)),
  errorFunction: (_context, error) => describeError(error),
});

export interface CalcAgentOptions {
  readonly model?: string;
  readonly instructions?: string;
  /** The most tokens of one model call. */
  readonly maxTokens?: number;
  /** The most model calls of one problem. */
  readonly maxTurns?: number;
}

/** Builds the agent. Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createCalcAgent({
  model = 'tiny-calc',
  instructions = tinyInstructions,
  maxTokens = 64,
}: CalcAgentOptions = {}): Agent {
  return new Agent({
    name: 'solver',
    instructions,
    tools: [calculator],
    model: new OpenAIChatCompletionsModel(new OpenAI(), model),
    modelSettings: { temperature: 0, maxTokens },
  });
}

/** Returns the agent's last answer; empty when it only called tools, or called one that does not exist. */
export async function solve(
  agent: Agent,
  question: string,
  { signal, maxTurns = 4 }: Pick<CalcAgentOptions, 'maxTurns'> & { readonly signal?: AbortSignal } = {},
): Promise<string> {
  try {
    const { finalOutput } = await run(agent, question, { maxTurns, ...(signal && { signal }) });
    return finalOutput ?? '';
  } catch (error) {
    if (error instanceof MaxTurnsExceededError || error instanceof ModelBehaviorError) return '';
    throw error;
  }
}
