import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { findTaskFile } from './find-task-file.ts';

it('finds the first of the names that a directory has, or says which it wants', () => {
  const directory = mkdtempSync(join(tmpdir(), 'task-file-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'dev.json'), '[]');
  writeFileSync(join(directory, 'test.json'), '[]');
  expect(findTaskFile(directory, ['dev.parquet', 'dev.json', 'test.json'])).toBe(join(directory, 'dev.json'));
  expect(() => findTaskFile(directory, ['train.json', 'train.parquet'])).toThrow(
    `${directory} has none of train.json, train.parquet`,
  );
});
