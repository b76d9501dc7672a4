/** The questions that a training is about, with their databases and their reward. */
import type { ExampleOptions } from '@agent-lightning/example-kit';

import type { SqlAgentOptions } from './agent.ts';
import { trainingQuestions, validationQuestions } from './questions.ts';
import { executionReward } from './reward.ts';
import { ownDatabases, type SqlDatabases } from './sql-databases.ts';

/** A question about a database. Only the reward may see its gold query. */
export interface SqlQuestion {
  /** The kind of the question; metrics and report show the reward of each. */
  readonly kind: string;
  readonly database: string;
  readonly question: string;
  readonly gold: string;
}

/** Holds its databases until it is disposed of. */
export interface QuestionSet extends Disposable {
  readonly train: readonly SqlQuestion[];
  readonly validation: readonly SqlQuestion[];
  readonly databases: SqlDatabases;
  readonly agentOptions: SqlAgentOptions;
  /** Returns 1 when the query has the same result as the question's own, else 0. */
  reward(question: SqlQuestion, query: string): number | Promise<number>;
}

/** Returns the questions of this example, as the seeds pick them. */
export function ownQuestions({ seed, validationSeed }: Pick<ExampleOptions, 'seed' | 'validationSeed'>): QuestionSet {
  return {
    train: trainingQuestions(seed, 1000),
    validation: validationQuestions(validationSeed, 320),
    databases: ownDatabases,
    agentOptions: {},
    reward: executionReward,
    [Symbol.dispose]: () => undefined, // they are in memory and shared
  };
}
