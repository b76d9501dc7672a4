/** The databases that the agent asks: how they are told to it, and how its queries run. */
import { describeDatabase } from './databases.ts';
import { runQuery, type QueryResult } from './query.ts';

export interface SqlDatabases {
  /** Returns the first message of a dialogue: the task of the writer, and the schema. @throws for a database that does not exist */
  instructions(database: string): string;
  /** Runs a query that a model wrote. Whatever its text, it answers. @throws for a database that does not exist */
  run(database: string, sql: string): QueryResult | Promise<QueryResult>;
}

/** The eight small databases of this example. The prompt is short, because the quickstart's model is tiny. */
export const ownDatabases: SqlDatabases = {
  instructions: (database) => `Write one SQLite query for ${describeDatabase(database)}.`,
  run: runQuery,
};
