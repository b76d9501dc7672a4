import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { BackendError, ConfigurationError } from '@agent-lightning/core';
import { moveIntoPlace } from './move-into-place.ts';

/**
 * Writes lines into a file, which appears whole or not at all. Returns how many there were. An error of the lines themselves is thrown as it is.
 * @throws {ConfigurationError} `option-invalid` when the file cannot be written
 * @throws {BackendError} `disk-full`
 */
export async function writeLines(path: string, lines: AsyncIterable<string>): Promise<number> {
  // The name is its own: what a killed process left, and another call for the same path, are in nobody's way.
  const partial = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.partial`;
  let count = 0;
  let failure: { readonly error: unknown } | undefined;
  async function* countLines(): AsyncGenerator<string> {
    try {
      for await (const line of lines) {
        yield line;
        count += 1;
      }
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  const stream = createWriteStream(partial, { flags: 'wx', flush: true });
  try {
    await pipeline(countLines(), stream);
    await moveIntoPlace(partial, path);
    return count;
  } catch (error) {
    // A stream that is closed before it is open makes its file all the same.
    if (!stream.closed) await new Promise<void>((done) => stream.once('close', () => done()));
    await rm(partial, { force: true });
    const isOfTheFile = failure?.error !== error && (error as NodeJS.ErrnoException).syscall !== undefined;
    throw isOfTheFile ? toWriteError(path, error) : error;
  }
}

/** The codes of a disk that is full, a quota that is used up, and a file that grew past its limit. */
const fullCodes: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];

function toWriteError(path: string, cause: unknown): BackendError | ConfigurationError {
  const { code } = cause as NodeJS.ErrnoException;
  if (fullCodes.includes(code))
    return new BackendError(
      `${path} cannot be written (${code}): there is no room for it; make room, or give a path on another disk`,
      { code: 'disk-full', cause },
    );
  return new ConfigurationError(
    `${path} cannot be written (${code}); give a path in a folder that exists and can be written`,
    { code: 'option-invalid', cause },
  );
}
