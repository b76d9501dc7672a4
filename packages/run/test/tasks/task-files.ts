/** Writes files of tasks for a test, into a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Writes one file and returns its path; the file is gone when the test is over. */
export function writeTaskFile(name: string, content: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'tasks-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The Parquet files of make_parquet.py. */
export const parquetFolder: string = join(import.meta.dirname, 'parquet');
