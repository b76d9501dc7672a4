import { seededRandom, type Rollout } from '@agent-lightning/core';
import type { RolloutContext } from '@agent-lightning/runner';

/** "Which letter follows this one?", for the first letters of the alphabet. */
export interface LetterTask {
  readonly letter: string;
  readonly answer: string;
  readonly kind: string;
}

export const letterTasks: readonly LetterTask[] = [...'abcdefgh'].map((letter, index) => ({
  letter,
  answer: String.fromCharCode(letter.charCodeAt(0) + 1),
  kind: index % 2 === 0 ? 'even' : 'odd',
}));

/** Asks the policy over HTTP, as an agent built by hand does, and returns its answer. */
export async function askLetter(task: LetterTask, { llm, signal, rollout }: RolloutContext): Promise<string> {
  const seed = seedOf(rollout);
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: task.letter }], seed }),
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]!.message.content;
}

/** 1 for the right letter; a little for a letter near it, so that a fresh policy finds a slope. */
export async function answerLetter(task: LetterTask, context: RolloutContext): Promise<number> {
  return scoreLetter(task, await askLetter(task, context));
}

/**
 * Returns a seed that follows from the rollout's place in its run, where the run has a store that it was given: its id is random then, the
 * gateway's seeds follow from it, and what is sampled, and so a test of it, would differ from time to time.
 */
export function seedOf({ rolloutId }: Rollout, ...caller: readonly string[]): number | undefined {
  const [, place] = /^run-[0-9a-f]+\.(.*?)(?:\.r\d+)?$/.exec(rolloutId) ?? [];
  return place === undefined ? undefined : Math.floor(seededRandom(0, [place, ...caller].join(' '))() * 2 ** 31);
}

export function scoreLetter(task: LetterTask, answer: string): number {
  const distance = Math.abs(answer.charCodeAt(0) - task.answer.charCodeAt(0));
  return distance === 0 ? 1 : Math.max(0, 0.5 - distance / 10);
}
