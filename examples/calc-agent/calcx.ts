/** Reads the Calc-X data set, and compares results as its evaluation does. */
import { seededRandom } from '@agent-lightning/core';
import { findTaskFile, shuffled } from '@agent-lightning/example-kit';
import { readTasks, type TaskRecord } from '@agent-lightning/trainer';

import { calculate, CalculatorError } from './calculator.ts';
import type { ProblemSet, WordProblem } from './problem-set.ts';

/** A problem of Calc-X. Its result is a number, a fraction such as `2/3`, or the letter of an option. */
export interface CalcxProblem extends WordProblem {
  readonly answer: string;
}

/** Held-out problems that a validation asks. */
const validationSize = 500;
/** Results that differ by one part in a hundred are the same. */
const relativeTolerance = 1e-2;

/**
 * Opens the data set: `train` and `test` as Parquet or JSON Lines, with the columns `id`, `question` and `result`.
 * @throws {ConfigurationError} `option-invalid` when a file is not there, `tasks-invalid` when one is wrong
 */
export async function openCalcx(directory: string, validationSeed: number): Promise<ProblemSet<CalcxProblem>> {
  const validation = await readProblems(directory, [
    'test.parquet',
    'test.jsonl',
    'validation.parquet',
    'validation.jsonl',
  ]);
  return {
    train: await readProblems(directory, ['train.parquet', 'train.jsonl']),
    validation: shuffled(validation, seededRandom(validationSeed)).slice(0, validationSize),
    agentOptions: {
      instructions:
        'Solve the problem. Use the calculator for each calculation. End with a line "Answer: " and the result alone.',
      maxTokens: 512,
      maxTurns: 10,
    },
    reward: ({ answer }, output) => (haveSameResult(readResult(output), answer) ? 1 : 0),
  };
}

function readProblems(directory: string, names: readonly string[]): Promise<readonly CalcxProblem[]> {
  return readTasks(findTaskFile(directory, names), { columns: ['id', 'question', 'result'], parse: toProblem });
}

function toProblem({ id, question, result }: TaskRecord): CalcxProblem {
  if (typeof question !== 'string' || typeof result !== 'string')
    throw new TypeError('question and result must be texts');
  return { kind: String(id).split('__')[0]!, question, answer: result };
}

/** Returns what stands behind the last `Answer:` at the start of a line; the whole reply where there is none. */
export function readResult(output: string): string {
  return ([...output.matchAll(/^Answer:(.*)$/gm)].at(-1)?.[1] ?? output).trim();
}

/**
 * Tells whether two results are the same: the same text, the same option, or numbers that differ by at most 1 %.
 *
 * The original evaluates numbers with SymPy; here they may have + - * / and parentheses, and nothing else is equal to a number.
 * @source github.com/prompteus/calc-x, gadgets/metrics.py: `scalar_are_results_same`, with the `rel_tol` of Agent Lightning's example
 */
export function haveSameResult(predicted: string, expected: string): boolean {
  if (predicted.trim() === expected.trim()) return true;
  const option = expected.replaceAll(/[\s()]/g, '');
  if (/^[A-Za-z]$/.test(option)) return predicted.replaceAll(/[\s()]/g, '') === option;
  const [one, other] = [toNumber(predicted), toNumber(expected)];
  if (one === undefined || other === undefined) return false;
  return Math.abs(one - other) <= relativeTolerance * Math.max(Math.abs(one), Math.abs(other));
}

/** Returns the value of `12`, `1_250`, `2/3` or `2/3 = around 0.666667`; undefined for what is no number. */
function toNumber(result: string): number | undefined {
  const text = result
    .split(' = around ')[0]!
    .trim()
    .replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  try {
    return calculate(text);
  } catch (error) {
    if (error instanceof CalculatorError) return undefined;
    throw error;
  }
}
