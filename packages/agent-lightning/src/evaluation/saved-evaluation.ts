import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { check, ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import { digestTasks } from '@agent-lightning/run';
import type { Evaluation } from '@agent-lightning/trainer';

interface SavedEvaluation {
  readonly format: 'agent-lightning evaluation 1';
  readonly evaluation: Evaluation;
}

const format = 'agent-lightning evaluation 1';

/** Keeps an evaluation in a file. */
export async function saveEvaluation(path: string, evaluation: Evaluation): Promise<void> {
  const saved: SavedEvaluation = { format, evaluation };
  await writeFileAtomically(path, `${JSON.stringify(saved)}\n`);
}

/**
 * Reads an evaluation that was kept.
 * @throws {ConfigurationError} `option-invalid` for a file of another kind, and for an evaluation of other tasks
 */
export async function readEvaluation(path: string, tasks: readonly JsonValue[]): Promise<Evaluation> {
  if (!existsSync(path))
    throw new ConfigurationError(`--against: there is no file ${path}`, { code: 'option-invalid' });
  const { format: found, evaluation } = parse(await readFile(path, 'utf8'));
  if (found !== format || evaluation === undefined)
    throw check.optionInvalid('--against', path, 'a file that eval --save wrote');
  if (evaluation.tasks === digestTasks(tasks)) return evaluation;
  throw new ConfigurationError(
    `--against ${path}: it has the rewards of other tasks than those that run now, so the two cannot be compared; give the same held-out tasks and the same --tasks`,
    { code: 'option-invalid' },
  );
}

function parse(text: string): Partial<SavedEvaluation> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {}; // no JSON, so not a file of ours: the caller says so
  }
}
