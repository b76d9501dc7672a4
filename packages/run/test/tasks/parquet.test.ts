import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { readTasks, streamTasks } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { describe, expect, it } from 'vitest';

import { parquetFolder, writeTaskFile } from './task-files.ts';

const fileOf = (name: string): string => join(parquetFolder, `${name}.parquet`);
const expected = JSON.parse(readFileSync(join(parquetFolder, 'expected.json'), 'utf8')) as Record<string, unknown>[];
const variants = [
  'none',
  'snappy',
  'gzip',
  'zstd',
  'brotli',
  'lz4',
  'pages-v2',
  'no-dictionary',
  'delta',
  'int96',
  'small-pages',
];

/** Writes a file of three row groups, of which the second has a question that is not UTF-8. */
function writeBrokenFile(): string {
  const bytes = readFileSync(fileOf('none'));
  const second = bytes.indexOf('say "hi"', bytes.indexOf('say "hi"') + 100); // the first has it twice, close together
  bytes.fill(0xff, second, second + 8);
  return writeTaskFile('broken.parquet', bytes);
}

describe('readTasks, of Parquet', () => {
  it.each(variants)('reads what pyarrow wrote: %s', async (variant) => {
    expect(await readTasks(fileOf(variant))).toEqual(expected);
  });

  it('reads what pandas wrote', async () => {
    expect(await readTasks(fileOf('pandas'))).toEqual([
      { question: '1 + 1?', answer: 2, note: 'first' },
      { question: '2 + 2?', answer: 4, note: null },
    ]);
  });

  it('gives tasks that a store takes as they are', async () => {
    const tasks = await readTasks(fileOf('snappy'));
    const store = new MemoryStore();
    const rollouts = await store.enqueue(tasks.map((input) => ({ input })));
    expect(rollouts.map(({ input }) => input)).toEqual(tasks);
    await store.close();
  });

  it.each([1, 5, 7, 12, 100])('reads the first %i rows, across row groups', async (limit) => {
    expect(await readTasks(fileOf('zstd'), { limit })).toEqual(expected.slice(0, limit));
  });

  it('decodes only the columns that are asked for, and no row group behind the limit', async () => {
    const broken = writeBrokenFile();
    const row = ({ id, answers }: Record<string, unknown>) => ({ id, answers });
    expect(await readTasks(broken, { columns: ['id', 'answers'] })).toEqual(expected.map(row));
    expect(await readTasks(broken, { limit: 5 })).toEqual(expected.slice(0, 5));
    await expect(readTasks(broken)).rejects.toThrow(/broken\.parquet, rows 6 to 10: it cannot be decoded/);
  });

  it('hands over a row group before it reads the next', async () => {
    const broken = writeBrokenFile();
    const read: unknown[] = [];
    const reading = (async () => {
      for await (const task of streamTasks(broken)) read.push(task);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'tasks-invalid' });
    expect(read).toEqual(expected.slice(0, 5));
  });

  it.each([
    [
      'a column that there is not',
      () => readTasks(fileOf('pandas'), { columns: ['anser'] }),
      /no field "anser", .*question, answer, note/,
    ],
    ['a number that JSON does not have', () => readTasks(fileOf('nan')), /nan\.parquet, row 2: field "score" is NaN/],
    [
      'a file that was cut off',
      () => readTasks(writeTaskFile('cut.parquet', readFileSync(fileOf('snappy')).subarray(0, 9000))),
      /cut\.parquet: its Parquet footer cannot be read/,
    ],
    [
      'a file of another kind',
      () => readTasks(writeTaskFile('text.parquet', '{"a": 1}')),
      /text\.parquet: it is not a Parquet file: it does not begin with "PAR1"/,
    ],
    ['a file that there is not', () => readTasks('nothing.parquet'), /nothing\.parquet: it cannot be read \(ENOENT/],
  ])('rejects %s, and names the place', async (_, read, message) => {
    const error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      name: 'ConfigurationError',
      code: 'tasks-invalid',
      message: expect.stringMatching(message),
    });
  });
});
