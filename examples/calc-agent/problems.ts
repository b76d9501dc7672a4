/** The problems that train and the problems that are held out. */
import { seededRandom } from '@agent-lightning/core';
import { hashText, takeInTurns } from '@agent-lightning/example-kit';

import { calculate } from './calculator.ts';
import { kinds, tell, type ProblemKind } from './problem-kinds.ts';

/** A problem, and its ground truth, which only the reward may see. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly question: string;
  readonly expression: string;
  readonly answer: number;
}

const perKind = 1500;

/** Every problem, in a fixed order; none twice. */
export function allProblems(): readonly Problem[] {
  const random = seededRandom(0);
  return kinds.flatMap((kind) => {
    const problems = new Map<string, Problem>();
    while (problems.size < perKind) {
      const { question, expression } = tell(kind, random);
      problems.set(question, { kind, question, expression, answer: calculate(expression) });
    }
    return [...problems.values()];
  });
}

/** Holds out a fifth of all expressions by their hash: no held-out problem asks for a training problem's numbers again. */
export function isHeldOut({ expression }: Pick<Problem, 'expression'>): boolean {
  return hashText(expression) % 5 === 0;
}

/** `count` training problems that the seed picks, as many of each kind; or all of them. */
export function trainingProblems(seed: number, count?: number): readonly Problem[] {
  const problems = allProblems().filter((problem) => !isHeldOut(problem));
  return takeInTurns('training problems', problems, kinds, seed, count);
}

/** `count` held-out problems that the seed picks, as many of each kind. */
export function validationProblems(seed: number, count: number): readonly Problem[] {
  return takeInTurns('held-out problems', allProblems().filter(isHeldOut), kinds, seed, count);
}
