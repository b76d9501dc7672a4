/** Reads records from JSON Lines, and from a JSON file that is an array of records. */
import { parseJson } from './parse-json.ts';
import { readText } from './read-text.ts';
import { invalidTask, messageOf, type TaskPlace } from './task-error.ts';
import { checkRecord, pickFields, type PlacedRecord, type RecordSelection } from './task-record.ts';

/** Reads a record from each line that is not blank. */
export async function* readJsonLines(
  file: string,
  { columns }: RecordSelection,
): AsyncGenerator<PlacedRecord, void, undefined> {
  let number = 0;
  for await (const line of readLines(file)) {
    number += 1;
    if (line.trim() === '') continue;
    const place = { file, record: `line ${number}` };
    yield { place, fields: pickFields(checkRecord(parseAt(line, place), place), columns, place) };
  }
}

/** Reads the records of an array; the whole file is in memory. */
export async function* readJsonArray(
  file: string,
  { columns }: RecordSelection,
): AsyncGenerator<PlacedRecord, void, undefined> {
  let text = '';
  for await (const piece of readText(file)) text += piece;
  const records = parseAt(text, { file });
  if (!Array.isArray(records)) {
    throw invalidTask({ file }, "a .json file must be an array of objects; a file of one object a line is 'jsonl'");
  }
  for (const [index, record] of records.entries()) {
    const place = { file, record: `record ${index + 1}` };
    yield { place, fields: pickFields(checkRecord(record, place), columns, place) };
  }
}

function parseAt(text: string, place: TaskPlace): ReturnType<typeof parseJson> {
  try {
    return parseJson(text);
  } catch (error) {
    const hint = place.record === undefined ? "; if it has one object a line, pass format: 'jsonl'" : '';
    throw invalidTask(place, `it is not JSON: ${messageOf(error)}${hint}`, error);
  }
}

/** Splits at line feeds only: unlike `node:readline`, which also splits at U+2028, and JSON may hold that. */
async function* readLines(file: string): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const piece of readText(file)) {
    const lines = piece.split('\n');
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}
