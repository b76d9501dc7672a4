/** The dialogues that the starting model learns from: fluent tool calls with bad habits, in the agent's own prompts. */
import { pick, type Dialogue, type Random } from '@agent-lightning/example-kit';

import { calculator } from '../agent.ts';
import { calculate } from '../calculator.ts';
import { describeError, describeValue, instructions } from '../prompts.ts';
import type { Problem } from '../problems.ts';
import { guesses, habitualAnswer, habitualExpression } from './bad-habits.ts';

export interface Example extends Dialogue {
  /** First the calculator, or a guess; again, after it complained; then the answer. */
  readonly role: 'first' | 'again' | 'answer';
  readonly problem: Problem;
}

/** The agent's tools as its requests have them. */
const tools = [
  {
    type: 'function',
    function: {
      name: calculator.name,
      description: calculator.description,
      parameters: calculator.parameters as never,
      strict: true,
    },
  },
];

/** One example about a problem: half of them begin, a sixth begins again, a third answers. */
export function createExample(problem: Problem, random: Random): Example {
  const part = random();
  if (part < 1 / 2) return first(problem, random);
  return part < 2 / 3 ? again(problem, random) : answer(problem, random);
}

function first(problem: Problem, random: Random): Example {
  const response = guesses(problem, random)
    ? habitualAnswer(problem, pick(numbersOf(problem), random), random)
    : toolCallText(habitualExpression(problem, random));
  return { role: 'first', problem, tools, prompt: ask(problem), response };
}

function again(problem: Problem, random: Random): Example {
  const refused = expressionThat((result) => result.startsWith('Error'), problem, random);
  const prompt = [...ask(problem), ...called(refused)];
  return { role: 'again', problem, tools, prompt, response: toolCallText(habitualExpression(problem, random, true)) };
}

function answer(problem: Problem, random: Random): Example {
  const expression = expressionThat((result) => !result.startsWith('Error'), problem, random);
  const prompt = [...ask(problem), ...called(expression)];
  return { role: 'answer', problem, tools, prompt, response: habitualAnswer(problem, resultOf(expression), random) };
}

function ask({ question }: Problem): Dialogue['prompt'] {
  return [
    { role: 'system', content: instructions },
    { role: 'user', content: question },
  ];
}

/** A call of the calculator and what it said, as the agent's next request has them. */
function called(expression: string): Dialogue['prompt'] {
  const call = { name: calculator.name, arguments: JSON.stringify({ expression }) };
  return [
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: call }] },
    { role: 'tool', tool_call_id: 'call_1', content: resultOf(expression) },
  ];
}

function resultOf(expression: string): string {
  try {
    return describeValue(calculate(expression));
  } catch (error) {
    return describeError(error);
  }
}

function expressionThat(suits: (result: string) => boolean, problem: Problem, random: Random): string {
  for (;;) {
    const expression = habitualExpression(problem, random);
    if (suits(resultOf(expression))) return expression;
  }
}

function numbersOf({ question }: Problem): readonly string[] {
  return question.match(/\d+/g) ?? [];
}

/** A call as the model writes it; the chat template writes it the same way. */
export function toolCallText(expression: string): string {
  return `<tool_call>{"name": "calculator", "arguments": ${JSON.stringify({ expression }).replace(':', ': ')}}</tool_call>`;
}
