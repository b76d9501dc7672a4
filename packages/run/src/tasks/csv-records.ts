/** Reads records from comma-separated values. The first line names the fields; every value is text. */
import { pipeline } from 'node:stream';

import { LightningError } from '@agent-lightning/core';

import { readText } from './read-text.ts';
import { invalidTask, messageOf } from './task-error.ts';
import { checkColumns, pickFields, type PlacedRecord, type RecordSelection } from './task-record.ts';

interface ParsedLine {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Reads a record from each line after the first. A value in quotes may hold line breaks. */
export async function* readCsv(
  file: string,
  { columns, delimiter }: RecordSelection & { readonly delimiter: string },
): AsyncGenerator<PlacedRecord, void, undefined> {
  let names: readonly string[] | undefined;
  let line = 1;
  for await (const { record, info } of parseLines(file, delimiter)) {
    if (names === undefined) {
      names = checkNames(record, file);
      if (columns !== undefined) checkColumns(columns, names, { file });
    } else {
      const place = { file, record: line === info.lines ? `line ${line}` : `lines ${line} to ${info.lines}` };
      const fields = Object.fromEntries(names.map((name, index) => [name, record[index]!]));
      yield { place, fields: pickFields(fields, columns, place) };
    }
    line = info.lines + 1;
  }
  if (names === undefined) throw invalidTask({ file }, 'it is empty; its first line must name the fields');
}

async function* parseLines(file: string, delimiter: string): AsyncGenerator<ParsedLine, void, undefined> {
  const { parse } = await import('csv-parse');
  const parser = parse({ delimiter, info: true, skip_empty_lines: true });
  // An error of either side reaches the loop below through the parser.
  pipeline(readText(file), parser, () => undefined);
  try {
    yield* parser as AsyncIterable<ParsedLine>;
  } catch (error) {
    if (LightningError.isInstance(error)) throw error;
    throw invalidTask({ file }, `it is not CSV: ${messageOf(error)}`, error);
  }
}

function checkNames(names: readonly string[], file: string): readonly string[] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return names;
  throw invalidTask({ file, record: 'line 1' }, `the field "${twice}" is named twice; give each field its own name`);
}
