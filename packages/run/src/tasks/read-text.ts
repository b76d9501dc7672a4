/** Reads text files in pieces, as strict UTF-8. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

import { invalidTask, messageOf } from './task-error.ts';

/** First bytes, in hex, of files that are no UTF-8 text, and what to do with each. */
const foreignStarts: readonly (readonly [start: string, problem: string])[] = [
  ['50415231', "it is a Parquet file; name it .parquet, or pass format: 'parquet'"],
  ['1f8b', 'it is compressed with gzip; unpack it first'],
  ['28b52ffd', 'it is compressed with zstd; unpack it first'],
  ['504b0304', 'it is a ZIP archive (or a spreadsheet); unpack it, or export it as CSV'],
  ['fffe', 'it is UTF-16; save it as UTF-8'],
  ['feff', 'it is UTF-16; save it as UTF-8'],
];

/** Returns the first bytes of a file in hex. @throws {ConfigurationError} `tasks-invalid` when it cannot be read */
export async function readFirstBytes(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('hex', 0, bytesRead);
  } catch (error) {
    throw invalidTask({ file }, `it cannot be read (${messageOf(error)})`, error);
  }
}

/** Reads a file's text piece by piece, without a byte order mark. @throws {ConfigurationError} `tasks-invalid` for what is no UTF-8 */
export async function* readText(file: string): AsyncGenerator<string, void, undefined> {
  const start = await readFirstBytes(file);
  const foreign = foreignStarts.find(([bytes]) => start.startsWith(bytes));
  if (foreign !== undefined) throw invalidTask({ file }, foreign[1]);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let offset = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      yield decoder.decode(chunk, { stream: true });
      offset += chunk.length;
    }
    yield decoder.decode();
  } catch (error) {
    const problem =
      error instanceof TypeError
        ? `it is not UTF-8 (some byte after byte ${offset} is wrong); save it as UTF-8`
        : `it cannot be read (${messageOf(error)})`;
    throw invalidTask({ file }, problem, error);
  }
}
