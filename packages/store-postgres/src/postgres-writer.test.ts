import { StoreError } from '@agent-lightning/core';
import type { AttemptRecord, RolloutRecord } from '@agent-lightning/store';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropSchema, freshSchema, runSql } from '../test/schemas.ts';
import { PostgresDatabase } from './postgres-database.ts';

const count = 200_000;
const schema = freshSchema();
let server: PostgresServer;
let database: PostgresDatabase;

beforeAll(async () => {
  server = await startPostgres();
  const connection = { connectionString: server.url };
  database = await PostgresDatabase.open({ connection, schema, maxConnections: 3, reconnectMs: 5_000 });
});

afterAll(async () => {
  await database.close();
  await dropSchema(server.url, schema);
  await server.stop();
});

it('writes more events than a list of arguments may have', async () => {
  const events = Array.from({ length: count }, (_, index) => ({ type: 'resources' as const, id: `r${index}` }));
  await database.write((records) => records.appendEvents(events));
  expect(await runSql(server.url, `SELECT count(*)::int FROM "${schema}".events`)).toEqual([{ count }]);
});

it('gathers more records than a list of arguments may have, and sends none of them when the write is refused', async () => {
  const rollouts = Array.from({ length: count }, (_, index) => rolloutRecord(`r${index}`));
  const refusal = new StoreError('refused', { code: 'store-conflict' });
  const write = database.write(async (records) => {
    await records.insertRollouts(rollouts);
    await records.insertAttempts(rollouts.map(({ rollout }) => attemptRecord(rollout.rolloutId)));
    throw refusal;
  });
  await expect(write).rejects.toBe(refusal);
  expect(await runSql(server.url, `SELECT count(*)::int FROM "${schema}".rollouts`)).toEqual([{ count: 0 }]);
});

function rolloutRecord(rolloutId: string): RolloutRecord {
  const rollout: RolloutRecord['rollout'] = {
    rolloutId,
    input: null,
    mode: 'train',
    status: 'running',
    queue: 'default',
    priority: 0,
    retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 },
    timeouts: {},
    metadata: {},
    attemptCount: 1,
    createdAtMs: 1,
    availableAtMs: 1,
  };
  return { rollout, lastSequenceId: 0 };
}

function attemptRecord(rolloutId: string): AttemptRecord {
  const attempt: AttemptRecord['attempt'] = {
    attemptId: `${rolloutId}-1`,
    rolloutId,
    attemptNumber: 1,
    status: 'running',
    workerId: 'w',
    startedAtMs: 1,
    lastProgressAtMs: 1,
    leaseExpiresAtMs: 2,
  };
  return { attempt, fencingToken: 1, leaseMs: 1 };
}
