import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runInProcess } from './run-in-process.ts';

const schema = 'shared';
let server: PostgresServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postgres-commands-'));
  server = await startPostgres({ fsync: false, url: '' });
  const store = await openPostgresStore({ connection: server.url, schema, watchdogIntervalMs: 0 });
  await store.enqueue([
    { rolloutId: 'a1', runId: 'a', input: { question: 'one' } },
    { rolloutId: 'b1', runId: 'b', input: { question: 'two' } },
  ]);
  await store.cancel('a1');
  await store.close();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const onStore = (command: string, ...args: string[]) =>
  runInProcess(['store', command, server.url, '--schema', schema, '--json', ...args]);

async function runSql(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  return (await client.query<Record<string, unknown>>(sql).finally(() => client.end())).rows;
}

it('looks into a store on a server, exports it, and deletes a run', async () => {
  expect((await onStore('query')).json()).toMatchObject({
    rollouts: [{ rolloutId: expect.any(String) }, { rolloutId: expect.any(String) }],
  });
  const file = join(folder, 'all.jsonl');
  expect((await onStore('export', '--output', file)).exitCode).toBe(0);
  expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(2);
  expect((await onStore('delete', '--run', 'a', '--yes')).json()).toEqual({ run: 'a', deleted: 1 });
  expect((await onStore('query')).json()).toMatchObject({ rollouts: [{ rolloutId: 'b1' }] });
});

it('says which version the schema has, and what is damaged', async () => {
  const migrated = (await onStore('migrate')).json();
  expect(migrated).toEqual({ before: expect.any(Number), after: migrated['before'], migrated: false });
  expect((await onStore('check')).json()).toMatchObject({ ok: true, problems: [] });
  await runSql(`DELETE FROM "${schema}".tasks`);
  const damaged = await onStore('check');
  expect(damaged).toMatchObject({ exitCode: 3 });
  expect(damaged.json()).toMatchObject({ ok: false, problems: ['1 rollouts without a task'] });
});

it('refuses a schema without a store, makes none, and shows no password', async () => {
  const place = 'nowhere';
  const wrong = new URL(server.url);
  for (const command of ['query', 'check', 'migrate']) {
    const end = await runInProcess(['store', command, wrong.href, '--schema', place, '--json']);
    expect(end.json(), command).toMatchObject({
      error: { code: 'option-invalid', message: expect.stringContaining(`no store in schema "${place}"`) },
    });
  }
  expect(await runSql(`SELECT nspname FROM pg_namespace WHERE nspname = '${place}'`)).toEqual([]);
  wrong.password = 'not-the-secret';
  const refused = await runInProcess(['store', 'check', wrong.href, '--schema', place]);
  expect(refused).toMatchObject({ exitCode: 1, complaints: expect.stringMatching(/user and password|user, password/) });
  expect(refused.complaints).not.toContain('not-the-secret');
});
