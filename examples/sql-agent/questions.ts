/** The questions that train and the questions that are held out. */

import { hashText, takeInTurns } from '@agent-lightning/example-kit';

import { tables } from './databases.ts';
import { runQuery } from './query.ts';
import { kinds, meaningsOf, type QuestionKind } from './question-kinds.ts';

/** A question, and its ground truth, which only the reward may see. */
export interface Question {
  readonly kind: QuestionKind;
  readonly database: string;
  readonly question: string;
  readonly gold: string;
}

let known: readonly Question[] | undefined;

/** Returns every question that has an answer, about every database, in a fixed order. Thousands of queries are run for that, once. */
export function allQuestions(): readonly Question[] {
  return (known ??= findQuestions());
}

function findQuestions(): readonly Question[] {
  return tables.flatMap((table) =>
    meaningsOf(table)
      .filter(({ gold }) => (runQuery(table.name, gold).rows ?? []).length > 0)
      .flatMap(({ kind, gold, phrasings }) =>
        phrasings.map((question) => ({ kind, database: table.name, question, gold })),
      ),
  );
}

/**
 * Holds out a fifth of all questions by a hash of the query that answers them. All phrasings of a question are so on
 * one side, and no held-out question is a paraphrase of a training question.
 */
export function isHeldOut({ database, gold }: Question): boolean {
  return hashText(`${database}: ${gold}`) % 5 === 0;
}

/** `count` training questions that the seed picks, as many of each kind; or all of them, where there are more of some kinds. */
export function trainingQuestions(seed: number, count?: number): readonly Question[] {
  const questions = allQuestions().filter((question) => !isHeldOut(question));
  return takeInTurns('training questions', questions, kinds, seed, count);
}

/** `count` held-out questions that the seed picks, about as many of each kind. */
export function validationQuestions(seed: number, count: number): readonly Question[] {
  return takeInTurns('held-out questions', allQuestions().filter(isHeldOut), kinds, seed, count);
}
