import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { ConfigurationError } from '@agent-lightning/core';
import { moveIntoPlace } from '@agent-lightning/platform';

/**
 * Writes lines into a file, which appears whole or not at all. Returns how many there were.
 * @throws {ConfigurationError} `option-invalid` when the file cannot be written
 */
export async function writeLines(path: string, lines: AsyncIterable<string>): Promise<number> {
  const partial = `${path}.${process.pid}.partial`;
  const stream = createWriteStream(partial, { flags: 'wx' });
  let count = 0;
  try {
    await once(stream, 'open');
    for await (const line of lines) {
      if (!stream.write(line)) await once(stream, 'drain');
      count += 1;
    }
    stream.end();
    await finished(stream);
    await moveIntoPlace(partial, path);
    return count;
  } catch (error) {
    stream.destroy();
    await rm(partial, { force: true });
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new ConfigurationError(
      `${path} cannot be written (${code}); give --output a path in a folder that exists and can be written`,
      {
        code: 'option-invalid',
        cause: error,
      },
    );
  }
}
