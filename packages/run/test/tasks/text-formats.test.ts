import { pathToFileURL } from 'node:url';

import { readTasks, streamTasks, type TaskRecord } from '@agent-lightning/run';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { writeTaskFile } from './task-files.ts';

/** Text with all that is hard for a CSV reader, and for one that splits lines. */
const hardText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc
    .array(fc.constantFrom('"', '""', ',', '\n', '\r\n', '\r', ' ', '\t', '\u2028', '\uFEFF', '東', 'a', '0', '\\'))
    .map((parts) => parts.join('')),
);
const fields = fc.uniqueArray(hardText, { minLength: 2, maxLength: 5 });

function toCsv(lines: readonly (readonly string[])[], delimiter: string, lineEnd: string): string {
  return lines.map((line) => line.map((v) => `"${v.replaceAll('"', '""')}"`).join(delimiter) + lineEnd).join('');
}

describe('readTasks, of CSV', () => {
  it('reads back what was written, with any delimiter, line end and byte order mark', async () => {
    await fc.assert(
      fc.asyncProperty(
        fields.chain((names) =>
          fc.tuple(
            fc.constant(names),
            fc.array(fc.array(hardText, { minLength: names.length, maxLength: names.length }), { maxLength: 6 }),
          ),
        ),
        fc.constantFrom(',', ';', '\t', '|'),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom('', '\uFEFF'),
        async ([names, rows], delimiter, lineEnd, mark) => {
          const file = writeTaskFile('tasks.csv', mark + toCsv([names, ...rows], delimiter, lineEnd));
          const expected = rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]])));
          expect(await readTasks(file, { delimiter })).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('keeps every value as text, skips empty lines, and reads the last line without a line end', async () => {
    const file = writeTaskFile('tasks.csv', 'zip,answer\r\n007,\r\n\r\n1e5,"4"');
    expect(await readTasks(file)).toEqual([
      { zip: '007', answer: '' },
      { zip: '1e5', answer: '4' },
    ]);
    expect(await readTasks(writeTaskFile('tasks.tsv', 'a\tb\n1,2\t"3\t4"\n'))).toEqual([{ a: '1,2', b: '3\t4' }]);
  });

  it.each([
    ['too few values', 'a,b\n1,2\n3\n', /not CSV: .*expect 2, got 1 on line 3/],
    ['a quote that is not closed, as in a file that was cut off', 'a,b\n1,"2\n3,4\n', /not CSV: Quote Not Closed/],
    ['a quote inside a value', 'a,b\n1,2"3\n', /not CSV: Invalid Opening Quote.* line 2/],
    ['a field that is named twice', 'a,b,a\n1,2,3\n', /line 1: the field "a" is named twice/],
    ['an empty file', '', /it is empty; its first line must name the fields/],
    ['a file that is not UTF-8', Uint8Array.of(97, 10, 0xe9, 10), /it is not UTF-8/],
    ['UTF-16', Buffer.from('\uFEFFa,b\n', 'utf16le'), /it is UTF-16; save it as UTF-8/],
    ['a Parquet file', 'PAR1', /it is a Parquet file; name it \.parquet/],
    ['a compressed file', Uint8Array.of(0x1f, 0x8b, 8, 0), /compressed with gzip; unpack it first/],
  ])('rejects %s', async (_, content, message) => {
    await expect(readTasks(writeTaskFile('tasks.csv', content))).rejects.toMatchObject({
      code: 'tasks-invalid',
      message: expect.stringMatching(message),
    });
  });

  it('names the lines of a record over several lines', async () => {
    const file = writeTaskFile('tasks.csv', 'a,b\n1,"2\n2"\n3,4\n');
    const parse = ({ a }: TaskRecord) => {
      throw new Error(`no ${a as string}`);
    };
    await expect(readTasks(file, { parse })).rejects.toThrow('tasks.csv, lines 2 to 3: parse rejected it: no 1');
  });
});

describe('readTasks, of JSON', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
  const record = fc.dictionary(hardText, json).map((value) => JSON.parse(JSON.stringify(value)) as TaskRecord);

  /** A second implementation: JavaScript writes whole numbers below 10²¹ digit by digit. */
  function keepLarge(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(keepLarge);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, keepLarge(item)]));
    const isLarge = typeof value === 'number' && Math.abs(value) >= 2 ** 53 && Math.abs(value) < 1e21;
    return isLarge ? String(value) : value;
  }

  it('reads back what was written, line by line and as an array', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 6 }),
        fc.constantFrom('\n', '\r\n', '\n\n  \n'),
        async (records, lineEnd) => {
          const expected = records.map(keepLarge);
          const lines = records.map((value) => JSON.stringify(value) + lineEnd).join('');
          expect(await readTasks(writeTaskFile('tasks.jsonl', `\uFEFF${lines}`))).toEqual(expected);
          expect(await readTasks(writeTaskFile('tasks.ndjson', lines.trimEnd()))).toEqual(expected);
          expect(await readTasks(writeTaskFile('tasks.json', JSON.stringify(records, null, 2)))).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('keeps lines whole that are longer than a piece of the file, and characters on the edge of one', async () => {
    const records = Array.from({ length: 5 }, (_, i) => ({ text: '東'.repeat(50_000 + i), i }));
    const file = writeTaskFile('tasks.jsonl', records.map((value) => JSON.stringify(value)).join('\n'));
    expect(await readTasks(pathToFileURL(file))).toEqual(records);
  });

  it('writes whole numbers that a double would round as text', async () => {
    const file = writeTaskFile(
      'tasks.jsonl',
      '{"id": 12345678901234567890, "low": -9007199254740993, "safe": 9007199254740991, "share": 0.12345678901234567, "text": "12345678901234567890"}',
    );
    expect(await readTasks(file)).toEqual([
      {
        id: '12345678901234567890',
        low: '-9007199254740993',
        safe: 9007199254740991,
        share: Number('0.12345678901234567'),
        text: '12345678901234567890',
      },
    ]);
  });

  it.each([
    ['tasks.jsonl', '{"a": 1}\n{"a": 2', /tasks\.jsonl, line 2: it is not JSON/],
    ['tasks.jsonl', '{"a": 1}\n\n[1]\n', /line 3: a task must be an object of fields.*found an array/],
    ['tasks.jsonl', '"text"\n', /line 1: a task must be an object of fields.*found "text"/],
    ['tasks.jsonl', '{"a": 1e999}\n', /line 1: it is not JSON: the number 1e999 is larger than any double/],
    ['tasks.json', '{"a": 1}\n{"a": 2}\n', /tasks\.json: it is not JSON: .*pass format: 'jsonl'/],
    ['tasks.json', '{"a": [1]}', /must be an array of objects/],
    ['tasks.json', '[{"a": 1}, 2]', /record 2: a task must be an object/],
    ['tasks.txt', '{"a": 1}', /its suffix "\.txt" is none of \.jsonl.*pass format/],
  ])('rejects %s with %j', async (name, content, message) => {
    await expect(readTasks(writeTaskFile(name, content))).rejects.toMatchObject({
      code: 'tasks-invalid',
      message: expect.stringMatching(message),
    });
  });

  it('reads nothing behind the limit', async () => {
    const file = writeTaskFile('tasks.jsonl', '{"a": 1}\n{"a": 2}\nbroken\n');
    expect(await readTasks(file, { limit: 2 })).toEqual([{ a: 1 }, { a: 2 }]);
    const read: unknown[] = [];
    for await (const task of streamTasks(file)) {
      read.push(task);
      if (read.length === 2) break;
    }
    expect(read).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe('the options of readTasks', () => {
  const lines = '{"question": "1 + 1?", "answer": 2}\n{"question": "2 + 2?", "answer": "four"}\n';

  it('keep some columns, which every record must have', async () => {
    const file = writeTaskFile('tasks.jsonl', `${lines}{"question": "none"}\n`);
    expect(await readTasks(file, { columns: ['answer'], limit: 2 })).toEqual([{ answer: 2 }, { answer: 'four' }]);
    await expect(readTasks(file, { columns: ['answer'] })).rejects.toThrow(
      'line 3: there is no field "answer", which columns asks for; there are question',
    );
  });

  it('make tasks of records, and name the field that a schema rejects', async () => {
    const file = writeTaskFile('tasks.jsonl', lines);
    const prompts: readonly { prompt: string }[] = await readTasks(file, {
      parse: ({ question }) => ({ prompt: String(question) }),
    });
    expect(prompts).toEqual([{ prompt: '1 + 1?' }, { prompt: '2 + 2?' }]);
    const schema = z.object({ question: z.string(), answer: z.number() });
    await expect(readTasks(file, { parse: schema.parse })).rejects.toThrow(
      /tasks\.jsonl, line 2: parse rejected it: field "answer": .*expected number, received string/,
    );
    await expect(readTasks(file, { parse: () => undefined })).rejects.toThrow('line 1: parse returned undefined');
    const later = () => Promise.resolve(1);
    await expect(readTasks(file, { parse: later })).rejects.toThrow('line 1: parse returned a promise');
  });

  it('take a format in place of the suffix', async () => {
    expect(await readTasks(writeTaskFile('tasks.json', lines), { format: 'jsonl' })).toHaveLength(2);
  });

  it.each([
    [{ limit: 0 }, /readTasks: limit/],
    [{ columns: [] }, /readTasks: columns/],
    [{ format: 'xml' as never }, /readTasks: format.*one of jsonl, json, csv, tsv, parquet/],
    [{ delimiter: ';' }, /readTasks: delimiter.*left out for jsonl/],
    [{ format: 'csv' as const, delimiter: '::' }, /readTasks: delimiter.*one character/],
    [{ colums: ['a'] } as never, /no option "colums"; did you mean "columns"/],
  ])('are checked: %j', async (options, message) => {
    await expect(readTasks(writeTaskFile('tasks.jsonl', lines), options)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(message),
    });
  });
});
