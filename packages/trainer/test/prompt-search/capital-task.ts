import type { RolloutContext } from '@agent-lightning/runner';
import type { PromptSearchOptions } from './prompt-search.ts';

/** "What is the capital of this country?", to be answered by the city in capital letters and a full stop. */
export interface CapitalTask {
  readonly country: string;
  readonly city: string;
  readonly kind: string;
}

const capitals = ['France Paris', 'Italy Rome', 'Japan Tokyo', 'Peru Lima', 'Kenya Nairobi', 'Norway Oslo'];

export const capitalTasks: readonly CapitalTask[] = capitals.map((line) => {
  const [country, city] = line.split(' ') as [string, string];
  return { country, city, kind: city.length > 4 ? 'long' : 'short' };
});

/** Three of these make the answer right, one makes it wrong, and one changes nothing. */
export const search: PromptSearchOptions = {
  prompt: 'Name the capital.',
  sentences: [
    'Answer with one word.',
    'Write in capital letters.',
    'End with a full stop.',
    'Greet the reader first.',
    'Think.',
  ],
};

/** An agent without a model: it does what its prompt says, to the letter. */
export function answerCapital({ city }: CapitalTask, { resources }: Pick<RolloutContext, 'resources'>): string {
  const prompt = resources['prompt'];
  if (prompt?.type !== 'prompt_template') throw new Error('there is no prompt');
  const asks = (sentence: string): boolean => prompt.template.includes(sentence);
  const answer = [
    asks('Greet the reader first.') ? 'Hello! ' : '',
    asks('Answer with one word.') ? city : `The capital is ${city}`,
    asks('End with a full stop.') ? '.' : '',
  ].join('');
  return asks('Write in capital letters.') ? answer.toUpperCase() : answer;
}

/** A quarter for each thing that is right. */
export function runCapital(task: CapitalTask, context: Pick<RolloutContext, 'resources'>): number {
  const answer = answerCapital(task, context);
  const checks = [!answer.includes('capital is'), answer === answer.toUpperCase(), answer.endsWith('.')];
  return [...checks, !answer.toLowerCase().startsWith('hello')].filter(Boolean).length / 4;
}
