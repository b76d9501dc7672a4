/** A record of a file of tasks, and the choice of its fields. */
import type { JsonValue } from '@agent-lightning/core';

import { invalidTask, type TaskPlace } from './task-error.ts';

/** One record of a file: fields by name. */
export type TaskRecord = { readonly [field: string]: JsonValue };

/** A record, and where it stands. */
export interface PlacedRecord {
  readonly place: Required<TaskPlace>;
  readonly fields: TaskRecord;
}

/** Says what to read of a file. */
export interface RecordSelection {
  /** The fields to keep; all where it is undefined. */
  readonly columns: readonly string[] | undefined;
  /** The most records to read. */
  readonly limit: number;
}

/** Returns the value when it is a record. @throws {ConfigurationError} `tasks-invalid` */
export function checkRecord(value: JsonValue, place: TaskPlace): TaskRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as TaskRecord;
  const found = Array.isArray(value) ? 'an array' : JSON.stringify(value).slice(0, 60);
  throw invalidTask(place, `a task must be an object of fields, such as {"question": "…"}; found ${found}`);
}

/** Returns the record with these fields only. @throws {ConfigurationError} `tasks-invalid` for a field that it does not have */
export function pickFields(record: TaskRecord, columns: readonly string[] | undefined, place: TaskPlace): TaskRecord {
  if (columns === undefined) return record;
  checkColumns(columns, Object.keys(record), place);
  return Object.fromEntries(columns.map((column) => [column, record[column]!]));
}

/** Checks that all these columns exist. @throws {ConfigurationError} `tasks-invalid` */
export function checkColumns(columns: readonly string[], existing: readonly string[], place: TaskPlace): void {
  const missing = columns.find((column) => !existing.includes(column));
  if (missing === undefined) return;
  throw invalidTask(place, `there is no field "${missing}", which columns asks for; there are ${existing.join(', ')}`);
}
