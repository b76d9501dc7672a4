/** Reads the text files of a model directory in the ordinary Hugging Face layout. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { BackendError, ConfigurationError, type JsonValue } from '@agent-lightning/core';

/** A JSON file of a model. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** The files to read. */
export interface ModelFileNames {
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** A sentence part for errors: everything that such a directory should hold. */
  readonly expected: string;
}

/**
 * Reads text files of a model directory, by name; optional ones that are not there are left out.
 *
 * @throws {ConfigurationError} `option-invalid` when the directory or a required file is missing
 */
export async function readModelFiles(directory: string, names: ModelFileNames): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of [...names.required, ...names.optional]) {
    const bytes = await readIfPresent(join(directory, name));
    if (bytes !== undefined) files.set(name, bytes.toString('utf8'));
    else if (names.required.includes(name)) {
      throw new ConfigurationError(
        `${directory} is not a model directory: it has no ${name}. Expected there: ${names.expected}.`,
        { code: 'option-invalid' },
      );
    }
  }
  return files;
}

/** Returns the bytes of a file, or undefined when there is none. @throws {BackendError} `backend-failed` when it cannot be read */
export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BackendError(`Cannot read ${path}: ${(error as Error).message}`, {
      code: 'backend-failed',
      cause: error,
    });
  }
}

/** Parses a JSON object. @throws {BackendError} `checkpoint-corrupt` when the text is none */
export function parseJson(text: string | undefined, source: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch (cause) {
    throw corrupt(source, `it is not JSON: ${String(cause)}`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw corrupt(source, 'it is not a JSON object');
  return value as JsonObject;
}

/** Returns the error for a file that is not whole or contradicts itself. */
export function corrupt(source: string, problem: string, cause?: unknown): BackendError {
  return new BackendError(`${source}: ${problem}.`, { code: 'checkpoint-corrupt', cause });
}

/** Returns the error for a file that is right, with a value that this code would not honour. */
export function unsupported(source: string, problem: string): BackendError {
  return new BackendError(`${source}: ${problem}.`, { code: 'checkpoint-unsupported' });
}
