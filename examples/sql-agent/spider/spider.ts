/** Reads the Spider data set from its published directory: questions, gold queries, and a database for each question. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ConfigurationError } from '@agent-lightning/core';
import { findTaskFile } from '@agent-lightning/example-kit';
import { readTasks, type TaskRecord } from '@agent-lightning/trainer';

import type { QuestionSet, SqlQuestion } from '../question-set.ts';
import { describeSchema } from './describe-schema.ts';
import { QueryPool, type QueryPoolOptions } from './query-pool.ts';

/** The rows of an answer that the agent is told of. */
const maxRows = 100;

/**
 * Opens the data set: `train_spider.json` and `dev.json` as Spider is published, or the same questions as Parquet; and
 * `database/<db_id>/<db_id>.sqlite`. Where a folder holds several databases, as in the test suites, a query must be right on each.
 *
 * @throws {ConfigurationError} `option-invalid` when a file is not there, `tasks-invalid` when one is wrong
 */
export async function openSpider(directory: string, options: QueryPoolOptions = {}): Promise<QuestionSet> {
  const train = await readQuestions(directory, ['train_spider.parquet', 'train_spider.json']);
  const validation = await readQuestions(directory, [
    'test_dev_500.parquet',
    'test_dev.parquet',
    'dev.parquet',
    'dev.json',
  ]);
  const files = new Map([...train, ...validation].map(({ database }) => [database, fileOf(directory, database)]));
  const missing = [...files].filter(([, file]) => !existsSync(file));
  if (missing.length > 0) {
    const message = `${missing.length} of ${files.size} databases are missing in ${directory}, such as ${missing[0]![1]}`;
    throw new ConfigurationError(`${message}; unpack Spider's database folder there`, { code: 'option-invalid' });
  }
  const pool = new QueryPool(options);
  const schemas = new Map<string, string>();
  return {
    train,
    validation,
    databases: {
      instructions: (database) => instructions(schemas, database, files.get(database)!),
      run: (database, sql) => pool.run({ file: files.get(database)!, sql, maxRows }),
    },
    agentOptions: { maxTurns: 3, maxQueryTokens: 256, maxCheckTokens: 128 },
    reward: async ({ database, gold }, query) =>
      (await pool.matches({ files: suiteOf(directory, database), gold, query })) ? 1 : 0,
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

function readQuestions(directory: string, names: readonly string[]): Promise<readonly SqlQuestion[]> {
  return readTasks(findTaskFile(directory, names), { columns: ['db_id', 'question', 'query'], parse: toQuestion });
}

function toQuestion({ db_id: database, question, query: gold }: TaskRecord): SqlQuestion {
  if (typeof database !== 'string' || typeof question !== 'string' || typeof gold !== 'string')
    throw new TypeError('db_id, question and query must be texts');
  if (!/^[\w-]+$/.test(database)) throw new TypeError(`db_id "${database}" is not the name of a folder`);
  return { kind: kindOf(gold), database, question, gold };
}

/** Sorts questions by the hardest thing that their gold query does; metrics show the reward of each kind. */
function kindOf(gold: string): string {
  if (/\b(?:INTERSECT|UNION|EXCEPT)\b|\(\s*SELECT\b/i.test(gold)) return 'nested';
  if (/\bGROUP\s+BY\b/i.test(gold)) return 'grouped';
  return /\bJOIN\b/i.test(gold) ? 'joined' : 'one table';
}

function fileOf(directory: string, database: string): string {
  return join(directory, 'database', database, `${database}.sqlite`);
}

function suiteOf(directory: string, database: string): readonly string[] {
  const folder = join(directory, 'database', database);
  const names = readdirSync(folder).filter((name) => name.endsWith('.sqlite'));
  return names.toSorted().map((name) => join(folder, name));
}

function instructions(schemas: Map<string, string>, database: string, file: string): string {
  const schema = schemas.get(database) ?? describeSchema(file);
  schemas.set(database, schema);
  return `Write one SQLite query that answers the question. Reply with the query only.\n\n${schema}`;
}
