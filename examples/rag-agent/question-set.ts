/** The questions that a training is about, with what the agent may read and the reward. */
import type { ExampleOptions } from '@agent-lightning/example-kit';

import type { RagAgentOptions } from './agent.ts';
import { documentsOf } from './library.ts';
import { library, trainingQuestions, validationQuestions } from './questions.ts';
import { answerReward } from './reward.ts';
import { SearchIndex } from './search.ts';

/** A question, as far as the training must know it. */
export interface RagQuestion {
  /** The kind of the question; metrics and report show the reward of each. */
  readonly kind: string;
  readonly question: string;
  /** The ground truth, which only the reward may see. */
  readonly gold: string;
  /** Other ways to write it. */
  readonly aliases?: readonly string[];
}

/** Holds its index until it is disposed of. */
export interface QuestionSet extends Disposable {
  readonly train: readonly RagQuestion[];
  readonly validation: readonly RagQuestion[];
  readonly index: SearchIndex;
  readonly agentOptions: RagAgentOptions;
  /** Returns the reward of the agent's last words, in [0, 1]. */
  reward(question: RagQuestion, reply: string): number;
}

/** Returns the questions of this example, as the seeds pick them. */
export function ownQuestions({ seed, validationSeed }: Pick<ExampleOptions, 'seed' | 'validationSeed'>): QuestionSet {
  const index = new SearchIndex([...documentsOf(library.train), ...documentsOf(library.heldOut)]);
  return {
    train: trainingQuestions(seed, 800),
    validation: validationQuestions(validationSeed, 160),
    index,
    agentOptions: {},
    reward: ({ gold }, reply) => answerReward(gold, reply),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}
