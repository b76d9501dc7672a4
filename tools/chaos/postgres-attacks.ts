import pg from 'pg';

/** Ends every connection of the workers from the server's side, whatever it is doing. */
export async function breakConnections(url: string): Promise<void> {
  await runSql(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agent-lightning'`,
  );
}

export async function dropSchema(url: string, schema: string): Promise<void> {
  await runSql(url, `DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
