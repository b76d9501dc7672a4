import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LightningError, type Claim, type LightningStore } from '@agent-lightning/core';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { dropSchema, freshSchema, runSql } from '../test/schemas.ts';
import {
  openPostgresStore,
  readPostgresSchemaVersion,
  type PostgresStore,
  type PostgresStoreOptions,
} from './index.ts';
import { PostgresReader } from './postgres-reader.ts';
import { schemaVersion } from './schema.ts';
import { StatementNames, Transaction } from './transaction.ts';

let server: PostgresServer;
let schema: string;
const opened: PostgresStore[] = [];

beforeAll(async () => {
  server = await startPostgres();
  schema = freshSchema();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await runSql(server.url, `DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
  schema = freshSchema();
});

async function open(options: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> {
  const store = await openPostgresStore({
    connection: server.url,
    schema,
    maxConnections: 4,
    watchdogIntervalMs: 0,
    ...options,
  });
  opened.push(store);
  return store;
}

async function errorOf(
  call: Promise<unknown>,
): Promise<{ readonly code?: string; readonly retryable?: boolean; readonly message?: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return LightningError.isInstance(error)
    ? { code: error.code, retryable: error.retryable, message: error.message }
    : { message: String(error) };
}

/** Answers with the plan of each statement instead of its records. */
class Plans extends Transaction {
  text: string = '';

  override async query(...[sql, ...how]: Parameters<Transaction['query']>): Promise<[]> {
    for (const row of await super.query(`EXPLAIN ${sql}`, ...how)) this.text += `${String(row['QUERY PLAN'])}\n`;
    return [];
  }
}

/** Moves this process's clock on by ten seconds at each look, so that a time in which to try is over after a few tries. */
function hurryClock(): Disposable {
  const now = performance.now.bind(performance);
  let aheadMs = 0;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => now() + (aheadMs += 10_000));
  return { [Symbol.dispose]: () => spy.mockRestore() };
}

const ofThisSchema = (condition: string = 'true'): string =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${schema}' AND pid <> pg_backend_pid() AND (${condition})`;

/** Ends connections of this test's stores from the server's side. */
async function breakConnections(condition?: string): Promise<void> {
  await runSql(server.url, ofThisSchema(condition));
}

describe('opening', () => {
  it('creates the schema once, however many open at the same moment', async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => open()));
    await Promise.all(stores.map((store, index) => store.enqueue([{ rolloutId: `r${index}`, input: 1 }])));
    expect((await (stores[0] as PostgresStore).queryRollouts()).items).toHaveLength(6);
  });

  it('refuses a newer schema, and one of another program, and leaves both alone', async () => {
    await (await open()).close();
    await runSql(server.url, `UPDATE "${schema}".settings SET value = '99' WHERE name = 'schema_version'`);
    expect(await errorOf(open())).toMatchObject({
      code: 'store-schema',
      message: expect.stringMatching(/version 99.*upgrade/),
    });
    const other = freshSchema();
    await runSql(server.url, `CREATE SCHEMA "${other}"; CREATE TABLE "${other}".cookies (value text)`);
    expect(await errorOf(open({ schema: other }))).toMatchObject({
      code: 'store-schema',
      message: expect.stringContaining('another program'),
    });
    expect(
      await runSql(server.url, `SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = '${other}'`),
    ).toEqual([{ tables: 1 }]);
    await dropSchema(server.url, other);
  });

  it('can be told from nothing before, which looking leaves as it is', async () => {
    const look = () => readPostgresSchemaVersion({ connection: server.url, schema });
    expect([await look(), await look()]).toEqual([undefined, undefined]);
    await (await open()).close();
    expect(await look()).toBe(schemaVersion);
    await runSql(server.url, `UPDATE "${schema}".settings SET value = '99' WHERE name = 'schema_version'`);
    expect(await errorOf(look())).toMatchObject({ code: 'store-schema' });
  });

  it('names what keeps it from connecting, without the password', async () => {
    const wrong = new URL(server.url);
    wrong.password = 'not-the-secret';
    const refused = await errorOf(open({ connection: wrong.href }));
    expect(refused).toMatchObject({ code: 'store-unavailable', retryable: false });
    expect(refused.message).toMatch(/user and password|user, password/);
    expect(refused.message).not.toContain('not-the-secret');
    wrong.href = server.url;
    wrong.pathname = '/absent';
    expect(await errorOf(open({ connection: wrong.href }))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('"absent"'),
    });
    wrong.port = '1';
    using _clock = hurryClock();
    expect(await errorOf(open({ connection: wrong.href, reconnectMs: 60_000 }))).toMatchObject({
      code: 'store-unavailable',
      retryable: true,
      message: expect.stringContaining('is the server running'),
    });
  });

  it('refuses options that it cannot honour', async () => {
    const wrong: [Partial<PostgresStoreOptions>, RegExp][] = [
      [{ connection: 'mysql://x' }, /connection/],
      [{ connection: `${server.url}?options=-c%20x=1` }, /options/],
      [{ schema: 'no"quotes' }, /schema/],
      [{ schema: 'pg_own' }, /schema/],
      [{ maxConnections: 2 }, /maxConnections.*2/],
      [{ reconnectMs: -1 }, /reconnectMs.*-1/],
      [{ keepEvents: 10 }, /keepEvents.*10/],
      [{ watchdogIntervalMs: NaN }, /watchdogIntervalMs.*NaN/],
    ];
    for (const [options, message] of wrong)
      expect(await errorOf(open(options))).toMatchObject({
        code: 'option-invalid',
        message: expect.stringMatching(message),
      });
  });

  it('stays within its connections, and gives all of them back', async () => {
    const store = await open({ connection: namedConnection(), maxConnections: 3 });
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        await store.enqueue([{ input: 1 }]);
        await store.statistics();
      }),
    );
    const count = `SELECT count(*)::int AS held FROM pg_stat_activity WHERE application_name = '${schema}'`;
    expect((await runSql(server.url, count))[0]?.['held']).toBeLessThanOrEqual(3);
    await store.close();
    // The server takes a moment to notice a farewell.
    await expect.poll(() => runSql(server.url, count), { timeout: 120_000 }).toEqual([{ held: 0 }]);
  });
});

it('finds counts that are not those of the records', async () => {
  const store = await open();
  await store.enqueue([{ input: 1 }, { input: 2 }]);
  await store.claim({ workerId: 'w' });
  expect(await store.checkIntegrity()).toEqual([]);
  await runSql(server.url, `INSERT INTO "${schema}".counts VALUES ('attempts:preparing', 1), ('tokens', 5)`);
  expect(await store.checkIntegrity()).toEqual(['2 counts that are not those of the records']);
});

it('counts the tokens themselves, not what rollouts say of them', async () => {
  const store = await open();
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  const [claim] = await store.claim({ workerId: 'w' });
  // Each byte of both counts matters: 258 and 515 tokens.
  const tokens = { prompt: new Int32Array(258), response: new Int32Array(515), logprobs: new Float32Array(515) };
  const times = { startTimeMs: 1, endTimeMs: 1 };
  const span = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), name: 'x', status: { code: 'ok' }, attributes: {} };
  await store.appendSpans((claim as Claim).lease, [{ ...span, ...times, kind: 'model_call', tokens } as never]);
  expect(await store.statistics()).toMatchObject({ tokens: 773 });
  expect(await store.checkIntegrity()).toEqual([]);
  // The kept count follows the rollout's, and both are wrong.
  await runSql(server.url, `SET search_path = "${schema}"; UPDATE rollouts SET token_count = 774`);
  expect(await store.checkIntegrity()).toEqual([
    '1 rollouts with another number of tokens than they say',
    '1 counts that are not those of the records',
  ]);
});

it('finds the spans of a query through an index, by their ids too', async () => {
  const store = await open();
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  // A rollout of ten thousand spans among as many of others.
  await runSql(
    server.url,
    `SET search_path = "${schema}";
     INSERT INTO rollouts (ordinal, rollout_id, status, mode, queue, priority, attempt_count, last_sequence_id, created_at_ms, available_at_ms)
       SELECT n, 'r' || n, 'failed', 'train', 'q', 0, 1, 100, 1, 1 FROM generate_series(2, 101) n;
     INSERT INTO attempts (ordinal, attempt_number, attempt_id, status, worker_id, fencing_token, lease_ms, started_at_ms, last_progress_at_ms, lease_expires_at_ms)
       SELECT n, 1, 'a' || n, 'failed', 'w', 1, 1, 1, 1, 1 FROM generate_series(1, 101) n;
     INSERT INTO spans SELECT CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + n / 2 % 100 END, n, lpad(to_hex(n), 16, '0'), 1, 'agent', 'x', '{}' FROM generate_series(1, 20000) n;
     ANALYZE`,
  );
  for (const query of [{}, { attemptId: 'latest' }, { includeTokens: true }]) {
    const spanIds = ['0000000000000002', '0000000000000004'];
    const text = await planOf((reader) => reader.querySpans({ rolloutIds: ['a'], spanIds, ...query }));
    expect(text).toMatch(/using spans_id on spans s.*\n\s*Index Cond: \(.*ordinal = .*span_id = ANY/);
  }
});

it('finds what ended lately through its index, and not in the order in which it was queued', async () => {
  await open();
  await runSql(
    server.url,
    `SET search_path = "${schema}";
     INSERT INTO rollouts (ordinal, rollout_id, status, mode, queue, priority, attempt_count, last_sequence_id, created_at_ms, available_at_ms, ended_at_ms)
       SELECT n, 'r' || n, 'failed', 'train', 'q', 0, 0, 0, 1, 1, n FROM generate_series(1, 20000) n;
     ANALYZE`,
  );
  const text = await planOf((reader) => reader.queryRollouts({ endedSinceMs: 19_990, order: 'asc', limit: 1_000 }));
  expect(text).toMatch(/(?:using|on) rollouts_ended\b/);
  expect(Number(/^Limit .* rows=(\d+)/.exec(text)?.[1])).toBeLessThan(100);
});

/** Returns the plans of the statements by which something is read. */
async function planOf(read: (reader: PostgresReader) => Promise<unknown>): Promise<string> {
  const client = new pg.Client({ connectionString: server.url, options: `-c search_path="${schema}"` });
  await client.connect();
  try {
    const plans = new Plans(client, new StatementNames());
    await read(new PostgresReader(plans));
    return plans.text;
  } finally {
    await client.end();
  }
}

describe('a connection that breaks', () => {
  it('goes on with reads, writes and waits', async () => {
    const store = await open({ connection: namedConnection() });
    const waiting = store.waitForWork({});
    for (let round = 0; round < 5; round++) {
      const calls = [store.enqueue([{ rolloutId: `r${round}`, input: 1 }]), store.statistics()];
      await breakConnections();
      await Promise.all(calls);
    }
    await waiting;
    expect((await store.queryRollouts()).items.map((rollout) => rollout.rolloutId)).toEqual(
      Array.from({ length: 5 }, (_, round) => `r${round}`),
    );
    expect(await store.checkIntegrity()).toEqual([]);
  });

  it('keeps each acknowledged write, and makes none twice, when commits are cut off', async () => {
    const store = await open({ connection: namedConnection(), maxConnections: 6 });
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const [claim] = await store.claim({ workerId: 'w', leaseMs: 600_000 });
    let isOver = false;
    const breaking = (async () => {
      while (!isOver) await breakConnections(`query LIKE 'COMMIT%' OR query LIKE 'WITH%'`);
    })();
    const acknowledged = await Promise.all(
      Array.from({ length: 8 }, async (_, lane) => {
        const sequenceIds: number[] = [];
        for (let number = 0; number < 25; number++) {
          const spanId = (1 + lane * 25 + number).toString(16).padStart(16, '0');
          sequenceIds.push(...(await store.appendSpans((claim as Claim).lease, [{ ...span, spanId }])));
        }
        return sequenceIds;
      }),
    );
    isOver = true;
    await breaking;
    expect(acknowledged.flat().sort((left, right) => left - right)).toEqual(
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
    expect(await store.querySpans({ rolloutIds: ['a'] })).toHaveLength(200);
  });

  it('hears of work although its listener was cut off just before', async () => {
    const [store, other] = [await open({ connection: namedConnection() }), await open()];
    const hasWork = store.waitForWork({});
    await breakConnections(`query LIKE 'LISTEN%' OR query LIKE '%FROM positions%'`);
    await other.enqueue([{ input: 1 }]);
    await hasWork;
  });

  it('finds out by itself when a notification was lost', async () => {
    const store = await open();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const [claim] = await store.claim({ workerId: 'w' });
    const ended = store.waitFor(['a']);
    await runSql(
      server.url,
      `SET search_path TO "${schema}"; BEGIN; UPDATE positions SET event = event + 1;
       INSERT INTO events SELECT event, 'rollout', 'a', 'succeeded' FROM positions;
       UPDATE attempts SET status = 'succeeded', ended_at_ms = 1; UPDATE rollouts SET status = 'succeeded', ended_at_ms = 1; COMMIT`,
    );
    expect((await ended)[0]?.status).toBe('succeeded');
    expect(await store.complete((claim as Claim).lease)).toMatchObject({ status: 'succeeded' });
  });

  it('lives through a crash of the server', async (context) => {
    if (server.crash === undefined) return context.skip('the server of POSTGRES_URL is not ours to crash');
    const store = await open({ reconnectMs: 60_000 }); // however long this machine takes to start it again
    await store.enqueue([{ rolloutId: 'before', input: 1 }]);
    const waiting = store.waitFor(['before']);
    const crashing = server.crash();
    const during = store.enqueue([{ rolloutId: 'during', input: 1 }]);
    await crashing;
    expect((await during)[0]?.rolloutId).toBe('during');
    const [claim] = await store.claim({ workerId: 'w' });
    await store.complete((claim as Claim).lease);
    expect((await waiting)[0]?.status).toBe('succeeded');
    expect(await store.checkIntegrity()).toEqual([]);
  });

  it('gives up after reconnectMs with a retryable error', async () => {
    const store = await open();
    await runSql(server.url, `CREATE ROLE ${schema} LOGIN SUPERUSER PASSWORD 'x'`);
    const limited = await open({ reconnectMs: 60_000, connection: limitedConnection() });
    // No room for its connections, which may pass, as far as it knows.
    const shut = `ALTER ROLE ${schema} NOSUPERUSER CONNECTION LIMIT 0`;
    await runSql(server.url, `${shut}; ${ofThisSchema(`usename = '${schema}'`)}`);
    {
      using _clock = hurryClock();
      const gone = { code: 'store-unavailable', retryable: true };
      expect(await errorOf(limited.enqueue([{ input: 1 }]))).toMatchObject(gone);
      expect(await errorOf(limited.statistics())).toMatchObject(gone);
    }
    await runSql(server.url, `ALTER ROLE ${schema} SUPERUSER CONNECTION LIMIT -1`);
    expect(await limited.enqueue([{ rolloutId: 'later', input: 1 }])).toHaveLength(1);
    expect(await store.getRollout('later')).toBeDefined();
    await limited.close();
    await runSql(server.url, `DROP OWNED BY ${schema}; DROP ROLE ${schema}`);
  });
});

describe('a server that refuses', () => {
  it('reads where it may not write, and says so at each write', async () => {
    const store = await open();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const reader = await open({
      connection: { connectionString: server.url, options: '-c default_transaction_read_only=on' },
    });
    expect((await reader.getRollout('a'))?.status).toBe('queuing');
    expect(await errorOf(reader.enqueue([{ input: 1 }]))).toMatchObject({ code: 'store-readonly', retryable: false });
  });

  it('names a full disk, keeps nothing of that write, and leaves the others alone', async () => {
    const store = await open();
    // As the server says it, from where it would say it: a disk that is full when this record arrives.
    await runSql(
      server.url,
      `SET search_path TO "${schema}"; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER full_disk BEFORE INSERT ON rollouts FOR EACH ROW WHEN (NEW.rollout_id = 'large') EXECUTE FUNCTION refuse()`,
    );
    const ends = await Promise.allSettled(
      ['a', 'large', 'b'].map((rolloutId) => store.enqueue([{ rolloutId, input: 1 }])),
    );
    expect(ends.map((end) => end.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await errorOf(store.enqueue([{ rolloutId: 'large', input: 1 }]))).toMatchObject({
      code: 'store-full',
      retryable: true,
      message: expect.stringContaining('disk'),
    });
    expect((await store.queryRollouts()).items.map((rollout) => rollout.rolloutId)).toEqual(['a', 'b']);
    expect(await store.checkIntegrity()).toEqual([]);
  });
});

describe('several processes', () => {
  it('claims each of 600 rollouts once from four processes, and follows every change in order', async () => {
    const store = await open();
    await store.enqueue(Array.from({ length: 600 }, (_, index) => ({ rolloutId: `r${index}`, input: 1 })));
    const events = followUntilFinal(await open(), 600);
    const outputs = await Promise.all(Array.from({ length: 4 }, (_, index) => runWorker(`worker-${index}`)));
    const claimed = outputs.flatMap((output) => output.trim().split('\n').filter(Boolean));
    expect(claimed).toHaveLength(600);
    expect(new Set(claimed).size).toBe(600);
    const seen = await events;
    expect(seen.cursors).toEqual(Array.from({ length: seen.cursors.length }, (_, index) => index + 1));
    for (const statuses of seen.byRollout.values()) expect(statuses).toEqual(['queuing', 'preparing', 'succeeded']);
    expect(await store.checkIntegrity()).toEqual([]);
  });

  it('shows no event before one that commits earlier in the order of cursors', async () => {
    const stores = await Promise.all(Array.from({ length: 3 }, () => open()));
    const events = followUntilFinal(await open(), 120);
    await Promise.all(
      stores.flatMap((store, index) =>
        Array.from({ length: 40 }, async (_, number) => {
          const rolloutId = `s${index}-${number}`;
          await store.enqueue([{ rolloutId, input: 1 }]);
          await store.cancel(rolloutId);
        }),
      ),
    );
    expect((await events).cursors).toEqual(Array.from({ length: 240 }, (_, index) => index + 1));
  });
});

const span = {
  traceId: 'a'.repeat(32),
  kind: 'operation',
  name: 'step',
  status: { code: 'ok' },
  startTimeMs: 1,
  endTimeMs: 2,
  attributes: {},
} as const;

function namedConnection(): PostgresStoreOptions['connection'] {
  return { connectionString: server.url, application_name: schema };
}

function limitedConnection(): PostgresStoreOptions['connection'] {
  const url = new URL(server.url);
  [url.username, url.password] = [schema, 'x'];
  return { connectionString: url.href, application_name: schema };
}

/** Reads all events from the start until so many rollouts are final. */
async function followUntilFinal(
  store: LightningStore,
  rollouts: number,
): Promise<{ readonly cursors: readonly number[]; readonly byRollout: ReadonlyMap<string, readonly string[]> }> {
  const cursors: number[] = [];
  const byRollout = new Map<string, string[]>();
  let finals = 0;
  for await (const { cursor, id, status } of store.subscribe({ cursor: '0' })) {
    cursors.push(Number(cursor));
    byRollout.set(id, [...(byRollout.get(id) ?? []), status ?? '']);
    if ((status === 'succeeded' || status === 'cancelled') && ++finals === rollouts) break;
  }
  return { cursors, byRollout };
}

/** Another process that claims and completes until nothing is left; returns what it claimed. */
async function runWorker(workerId: string): Promise<string> {
  const program = fileURLToPath(new URL('../test/programs/draining-worker.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--conditions=@agent-lightning/source', program, server.url, schema, workerId],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return output;
}
