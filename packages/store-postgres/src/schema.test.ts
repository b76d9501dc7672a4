import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropSchema, freshSchema, runSql } from '../test/schemas.ts';
import { openPostgresStore } from './index.ts';
import { migrate, migrations, schemaVersion } from './schema.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.stop());

/** Migrates on a connection of its own, as a process of a later version would. */
async function migrateTo(schema: string, steps: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: server.url, options: `-c search_path="${schema}"` });
  await client.connect();
  try {
    await migrate(client, schema, steps);
  } finally {
    await client.end();
  }
}

const nextStep = 'ALTER TABLE rollouts ADD COLUMN note text; UPDATE rollouts SET note = rollout_id';

it('brings an older schema to the next version with what is in it, once for many processes', async () => {
  const schema = freshSchema();
  const store = await openPostgresStore({ connection: server.url, schema });
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  await store.close();
  await Promise.all(Array.from({ length: 4 }, () => migrateTo(schema, [...migrations, nextStep])));
  expect(await runSql(server.url, `SELECT note FROM "${schema}".rollouts`)).toEqual([{ note: 'a' }]);
  expect(await runSql(server.url, `SELECT value FROM "${schema}".settings`)).toEqual([
    { value: String(schemaVersion + 1) },
  ]);
  await expect(openPostgresStore({ connection: server.url, schema })).rejects.toMatchObject({ code: 'store-schema' });
  await dropSchema(server.url, schema);
});

it('leaves the schema as it was when a step fails', async () => {
  const schema = freshSchema();
  await migrateTo(schema, migrations);
  await expect(migrateTo(schema, [...migrations, `${nextStep}; SELECT 1 / 0`])).rejects.toThrow('division by zero');
  const store = await openPostgresStore({ connection: server.url, schema });
  expect(await store.enqueue([{ input: 1 }])).toHaveLength(1);
  await store.close();
  await dropSchema(server.url, schema);
});

it('counts what an older schema holds when it migrates it, and the same after folding', async () => {
  const schema = freshSchema();
  await migrateTo(schema, migrations.slice(0, 1));
  await runSql(
    server.url,
    `INSERT INTO "${schema}".rollouts (ordinal, rollout_id, status, mode, queue, priority, attempt_count, last_sequence_id, token_count, created_at_ms, available_at_ms)
     VALUES (1, 'a', 'failed', 'train', 'default', 0, 0, 3, 40, 1, 1), (2, 'b', 'failed', 'train', 'default', 0, 0, 1, 2, 1, 1);
     UPDATE "${schema}".positions SET rollout = 2`,
  );
  const store = await openPostgresStore({ connection: server.url, schema });
  // Each call is a few counted statements: among 1,500 some fold for all but certain.
  for (let round = 0; round < 15; round++)
    await Promise.all(Array.from({ length: 100 }, () => store.enqueue([{ input: 1 }])));
  expect(await store.statistics()).toMatchObject({ rollouts: { failed: 2, queuing: 1_500 }, spans: 4, tokens: 42 });
  await store.close();
  await dropSchema(server.url, schema);
});
