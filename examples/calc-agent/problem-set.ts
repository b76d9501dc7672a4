/** The problems that a training is about, with their reward. */
import type { ExampleOptions } from '@agent-lightning/example-kit';

import type { CalcAgentOptions } from './agent.ts';
import { trainingProblems, validationProblems, type Problem } from './problems.ts';
import { answerReward } from './reward.ts';

/** A problem, as far as the training must know it. */
export interface WordProblem {
  /** The kind of the problem; metrics and report show the reward of each. */
  readonly kind: string;
  readonly question: string;
  /** The ground truth, which only the reward may see. */
  readonly answer: string | number;
}

export interface ProblemSet<Task extends WordProblem = WordProblem> {
  readonly train: readonly Task[];
  readonly validation: readonly Task[];
  readonly agentOptions: CalcAgentOptions;
  /** Returns 1 when the agent's last words have the right answer, else 0. */
  reward(problem: Task, output: string): number;
}

/** Returns the problems of this example, as the seeds pick them. */
export function ownProblems({
  seed,
  validationSeed,
}: Pick<ExampleOptions, 'seed' | 'validationSeed'>): ProblemSet<Problem> {
  return {
    train: trainingProblems(seed, 1000),
    validation: validationProblems(validationSeed, 160),
    agentOptions: {},
    reward: answerReward,
  };
}
