/** Reads the tasks of a training from a file. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { check, LightningError } from '@agent-lightning/core';

import { readCsv } from './csv-records.ts';
import { readJsonArray, readJsonLines } from './json-records.ts';
import { readParquet } from './parquet-records.ts';
import { invalidTask, messageOf } from './task-error.ts';
import type { PlacedRecord, RecordSelection, TaskRecord } from './task-record.ts';

/** The layout of a file of tasks: one JSON object a line, an array of JSON objects, CSV, tab-separated values, or Parquet. */
export type TaskFormat = 'jsonl' | 'json' | 'csv' | 'tsv' | 'parquet';

/** Says what to read of a file of tasks, and what to make of it. */
export interface ReadTasksOptions<Task = TaskRecord> {
  /** The layout of the file. @default by its suffix: .jsonl, .ndjson, .json, .csv, .tsv, .parquet */
  readonly format?: TaskFormat;
  /** The fields to keep; each record must have them. @default all */
  readonly columns?: readonly string[];
  /** The most records to read, from the first one on. @default all */
  readonly limit?: number;
  /** The character between two values of a CSV file; for `csv` only. @default ',' */
  readonly delimiter?: string;
  /**
   * Makes a task of a record, or throws when it is wrong: a function of yours, or `schema.parse` of a Zod schema.
   * @default the record is the task, and its type is taken on trust
   */
  readonly parse?: (record: TaskRecord) => Task;
}

const formats: Readonly<Record<string, TaskFormat>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.parquet': 'parquet',
};

/**
 * Reads all tasks of a file, in its order. Each is plain JSON, as a store takes it.
 *
 * In CSV every value is text. In Parquet, dates and timestamps become ISO 8601 text (UTC), bytes become base64, and lists, structs and
 * maps become arrays and objects. Whole numbers outside ±(2⁵³ − 1) become the text of their digits.
 *
 * @throws {ConfigurationError} `tasks-invalid` for a file or a record that cannot be read: it names the file, the line or row, and the field;
 *   `option-invalid`
 */
export async function readTasks<Task = TaskRecord>(
  file: string | URL,
  options: ReadTasksOptions<Task> = {},
): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  for await (const task of streamTasks(file, options)) tasks.push(task);
  return tasks;
}

/**
 * Reads the tasks of a file one by one, like `readTasks`, for a file that is larger than memory. CSV and JSON Lines are read line by
 * line, Parquet one row group at a time; a `.json` file is held whole.
 *
 * @throws {ConfigurationError} as `readTasks` does
 */
export async function* streamTasks<Task = TaskRecord>(
  file: string | URL,
  options: ReadTasksOptions<Task> = {},
): AsyncGenerator<Task, void, undefined> {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  const { records, limit, parse } = openRecords(path, options);
  let count = 0;
  for await (const record of records) {
    yield toTask(record, parse);
    count += 1;
    if (count === limit) return;
  }
}

interface OpenRecords<Task> {
  readonly records: AsyncIterable<PlacedRecord>;
  readonly limit: number;
  readonly parse: ReadTasksOptions<Task>['parse'];
}

function openRecords<Task>(path: string, options: ReadTasksOptions<Task>): OpenRecords<Task> {
  check.knownOptions('readTasks', options, ['format', 'columns', 'limit', 'delimiter', 'parse']);
  const format = options.format === undefined ? formatOf(path) : checkFormat(options.format);
  const limit = options.limit === undefined ? Infinity : check.wholeNumber('readTasks: limit', options.limit);
  const selection: RecordSelection = { columns: checkColumnNames(options.columns), limit };
  if (options.delimiter !== undefined && format !== 'csv')
    throw check.optionInvalid('readTasks: delimiter', options.delimiter, `left out for ${format}; only csv has one`);
  const delimiter = checkDelimiter(format === 'tsv' ? '\t' : (options.delimiter ?? ','));
  const readers: Readonly<Record<TaskFormat, () => AsyncIterable<PlacedRecord>>> = {
    jsonl: () => readJsonLines(path, selection),
    json: () => readJsonArray(path, selection),
    csv: () => readCsv(path, { ...selection, delimiter }),
    tsv: () => readCsv(path, { ...selection, delimiter }),
    parquet: () => readParquet(path, selection),
  };
  return { records: readers[format](), limit, parse: options.parse };
}

function formatOf(path: string): TaskFormat {
  const suffix = extname(path).toLowerCase();
  const format = formats[suffix];
  if (format !== undefined) return format;
  const known = Object.keys(formats).join(', ');
  throw invalidTask({ file: path }, `its suffix "${suffix}" is none of ${known}; pass format to say what it is`);
}

function checkFormat(format: TaskFormat): TaskFormat {
  return check.oneOf('readTasks: format', format, [...new Set(Object.values(formats))]);
}

function checkColumnNames(columns: readonly string[] | undefined): readonly string[] | undefined {
  if (columns === undefined || (Array.isArray(columns) && columns.length > 0)) return columns;
  throw check.optionInvalid('readTasks: columns', JSON.stringify(columns), 'an array of at least one field name');
}

function checkDelimiter(delimiter: string): string {
  if ([...delimiter].length === 1 && !/["\r\n]/.test(delimiter)) return delimiter;
  throw check.optionInvalid('readTasks: delimiter', JSON.stringify(delimiter), 'one character, and no quote');
}

function toTask<Task>({ place, fields }: PlacedRecord, parse: ReadTasksOptions<Task>['parse']): Task {
  if (parse === undefined) return fields as Task;
  let task: Task;
  try {
    task = parse(fields);
  } catch (error) {
    if (LightningError.isInstance(error)) throw error;
    throw invalidTask(place, `parse rejected it: ${describeIssues(error) ?? messageOf(error)}`, error);
  }
  if (task === undefined) throw invalidTask(place, 'parse returned undefined; filter the tasks after reading instead');
  if (task instanceof Promise) throw invalidTask(place, 'parse returned a promise; it must not be asynchronous');
  return task;
}

/** Returns the problems that a schema library found, each with its field; undefined for any other error. */
function describeIssues(error: unknown): string | undefined {
  const issues: unknown = (error as { readonly issues?: unknown } | null)?.issues;
  if (!Array.isArray(issues) || issues.length === 0) return undefined;
  return issues
    .map(({ path, message }: { readonly path?: readonly PropertyKey[]; readonly message?: string }) => {
      const field = (path ?? []).map(String).join('.');
      return field === '' ? String(message) : `field "${field}": ${message}`;
    })
    .join('; ');
}
