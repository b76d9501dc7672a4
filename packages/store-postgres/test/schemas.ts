import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** The name of a schema that no other test has. */
export function freshSchema(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

export async function dropSchema(url: string, schema: string): Promise<void> {
  await runSql(url, `DROP SCHEMA "${schema}" CASCADE`);
}

/** Runs statements on a connection of their own, as somebody else would. */
export async function runSql(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
