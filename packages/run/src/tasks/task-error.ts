/** Makes the errors of reading tasks: each names the file, the place in it, and what is wrong there. */
import { ConfigurationError } from '@agent-lightning/core';

/** A place in a file of tasks. */
export interface TaskPlace {
  readonly file: string;
  /** The record as a person finds it, such as `line 12` or `row 3`; left out where the whole file is meant. */
  readonly record?: string;
}

/** Returns the error for a file, or for a record of it, that cannot be read as tasks. */
export function invalidTask({ file, record }: TaskPlace, problem: string, cause?: unknown): ConfigurationError {
  const where = record === undefined ? file : `${file}, ${record}`;
  return new ConfigurationError(`readTasks: ${where}: ${problem}`, { code: 'tasks-invalid', cause });
}

/** Returns the message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
