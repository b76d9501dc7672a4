import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { LightningError, type Claim } from '@agent-lightning/core';
import { CheckedStore } from '@agent-lightning/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './index.ts';
import { migrate, pragma, schemaVersion } from './schema.ts';
import { openWritingConnection } from './sqlite-database.ts';

let folder: string;
const opened: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-sqlite-'));
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

async function open(options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> {
  const store = await openSqliteStore({ path: join(folder, 'store.db'), durability: 'normal', ...options });
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

/** Makes a sound file with one rollout and returns its path. */
async function makeFile(name: string = 'store.db'): Promise<string> {
  const path = join(folder, name);
  const store = await openSqliteStore({ path });
  await store.enqueue([{ rolloutId: 'a', input: 'x'.repeat(100_000) }]);
  await store.close();
  return path;
}

describe('a file that is not a sound store of this version', () => {
  it('refuses a newer schema and leaves it alone', async () => {
    const path = await makeFile();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
    database.close();
    const before = readFileSync(path);
    expect(await errorOf(open())).toMatchObject({
      code: 'store-schema',
      message: expect.stringMatching(/schema version \d.*upgrade/),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('migrates a file of the first version, with what is in it', async () => {
    const path = join(folder, 'store.db');
    const database = new DatabaseSync(path);
    migrate(database, path, 1);
    database.exec(`INSERT INTO events (type, id) VALUES ('resources', 'weights')`);
    expect(pragma(database, 'user_version')).toBe(1);
    database.close();
    const store = await open({ keepEvents: 1_000 });
    for await (const event of store.subscribe({ cursor: '0' })) {
      expect(event).toEqual({ cursor: '1', type: 'resources', id: 'weights' });
      break;
    }
    await store.enqueue(Array.from({ length: 1_000 }, () => ({ input: 1 })));
    await store.runWatchdog();
    const events = store.subscribe({ cursor: '0' })[Symbol.asyncIterator]();
    expect(await errorOf(events.next())).toMatchObject({ code: 'store-not-found' });
  });

  it('counts what a file of an earlier version holds when it migrates it', async () => {
    const path = join(folder, 'store.db');
    const database = new DatabaseSync(path);
    migrate(database, path, 2);
    database.exec(`INSERT INTO rollouts (rollout_id, status, mode, queue, priority, attempt_count, last_sequence_id, created_at_ms, available_at_ms)
      VALUES ('a', 'failed', 'train', 'default', 0, 2, 0, 1, 1), ('b', 'running', 'train', 'default', 0, 1, 0, 1, 1);
      INSERT INTO attempts VALUES (1, 1, 'x', 'timeout', 'w', 1, 1, 1, 1, 1, 1, NULL), (1, 2, 'y', 'failed', 'w', 2, 1, 1, 1, 1, 1, NULL);
      INSERT INTO resources (resources_id, version, body, created_at_ms) VALUES ('weights', 1, '{}', 1)`);
    database.close();
    const store = await open();
    expect(await store.statistics()).toMatchObject({
      rollouts: { failed: 1, running: 1, succeeded: 0 },
      attempts: { timeout: 1, failed: 1, running: 0 },
      resources: 1,
    });
  });

  it('refuses the database of another program', async () => {
    const database = new DatabaseSync(join(folder, 'store.db'));
    database.exec('CREATE TABLE cookies (value)');
    database.close();
    expect(await errorOf(open())).toMatchObject({
      code: 'store-schema',
      message: expect.stringContaining('another program'),
    });
  });

  it('refuses what is no database', async () => {
    writeFileSync(join(folder, 'store.db'), 'plain text, and a good deal of it. '.repeat(100));
    expect(await errorOf(open())).toMatchObject({ code: 'store-corrupt' });
  });

  it('refuses a file that was cut short', async () => {
    truncateSync(await makeFile(), 20_000);
    expect(await errorOf(open())).toMatchObject({ code: 'store-corrupt', retryable: false });
  });

  it('finds overwritten pages in its integrity check', async () => {
    const path = await makeFile();
    const bytes = readFileSync(path);
    const overflow = bytes.indexOf('x'.repeat(1_000));
    bytes.fill(0xff, overflow - (overflow % 8_192), overflow - (overflow % 8_192) + 4);
    writeFileSync(path, bytes);
    const store = await open();
    const problems = await store.checkIntegrity().catch((error: unknown) => [String(error)]);
    expect(problems).not.toEqual([]);
  });

  it('finds counts that are not those of the records', async () => {
    const path = await makeFile();
    const store = await open();
    expect(await store.checkIntegrity()).toEqual([]);
    const database = new DatabaseSync(path);
    database.exec(
      `UPDATE counters SET value = 3 WHERE name = 'rollouts:queuing'; UPDATE counters SET value = 7 WHERE name = 'tokens'`,
    );
    database.close();
    expect(await store.checkIntegrity()).toEqual([
      'the count of rollouts:queuing says 3, and there are 1',
      'the count of tokens says 7, and there are 0',
    ]);
  });

  it('takes an empty file for a new store', async () => {
    writeFileSync(join(folder, 'store.db'), '');
    expect((await (await open()).enqueue([{ input: 1 }]))[0]?.status).toBe('queuing');
  });

  it('names a missing folder, and a folder given for a file', async () => {
    expect(await errorOf(open({ path: join(folder, 'missing', 'store.db') }))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('folder exists'),
    });
    expect(await errorOf(open({ path: folder }))).toMatchObject({ code: 'store-unavailable' });
  });
});

describe('a disk that refuses', () => {
  it('rejects the writes that do not fit, keeps the others, and goes on when there is space', async () => {
    const small = await open({ maxSizeBytes: 2_000_000 });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        small.enqueue([{ rolloutId: `r${index}`, input: 'x'.repeat(index === 3 ? 3_000_000 : 1_000) }]),
      ),
    );
    expect(results.map((result) => result.status === 'fulfilled')).toEqual(
      Array.from({ length: 10 }, (_, index) => index !== 3),
    );
    expect(await errorOf(small.enqueue([{ rolloutId: 'r3', input: 'x'.repeat(3_000_000) }]))).toMatchObject({
      code: 'store-full',
      retryable: true,
    });
    expect(await small.getRollout('r3')).toBeUndefined();
    expect(await small.checkIntegrity()).toEqual([]);
    await small.close();
    const large = await open();
    expect((await large.enqueue([{ rolloutId: 'r3', input: 'x'.repeat(3_000_000) }]))[0]?.rolloutId).toBe('r3');
  });

  it('reads a file that may not be written, and says so at each write', async () => {
    const path = await makeFile();
    chmodSync(path, 0o444);
    chmodSync(folder, 0o777);
    const child = runProgram('read-only-reader.ts', [path]);
    expect(child).toEqual({ stdout: '{"status":"queuing","write":"store-readonly"}\n', stderr: '', status: 0 });
  });
});

describe('several openings of one file', () => {
  it('waits for another writer, and gives up with a retryable error', async () => {
    const store = await open({ busyTimeoutMs: 100 });
    const other = new DatabaseSync(store.path);
    other.exec('BEGIN IMMEDIATE');
    expect(await errorOf(store.enqueue([{ input: 1 }]))).toMatchObject({ code: 'store-unavailable', retryable: true });
    const patient = await open({ busyTimeoutMs: 120_000 });
    const writing = patient.enqueue([{ rolloutId: 'late', input: 1 }]);
    expect(await store.getRollout('late')).toBeUndefined();
    other.exec('COMMIT');
    other.close();
    expect((await writing)[0]?.rolloutId).toBe('late');
  });

  it('sees in one process what another one wrote, and waits without asking', async () => {
    const store = await open();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const ended = store.waitFor(['a']);
    expect(runProgram('completing-worker.ts', [store.path])).toEqual({ stdout: 'succeeded\n', stderr: '', status: 0 });
    expect((await ended)[0]?.status).toBe('succeeded');
  });

  it('lets one holder at a time run the watchdog, and another when it is gone', async () => {
    let nowMs = 1_000;
    const shared = { now: () => nowMs, watchdogIntervalMs: 5 };
    const [first, second] = [await open(shared), await open(shared)];
    await first.enqueue([{ rolloutId: 'a', input: 1, retry: { maxAttempts: 3 } }]);
    for (const attempts of [1, 2]) {
      await second.claim({ workerId: 'w', leaseMs: 10 });
      const requeued = second.waitForWork({});
      nowMs += 100;
      await requeued;
      expect((await second.getRollout('a'))?.attemptCount).toBe(attempts);
      await first.close();
    }
  });
});

it('gives the watchdog to one holder at a time where others ask for its turns', async () => {
  let nowMs = 1_000;
  const shared = { now: () => nowMs, watchdogIntervalMs: 0 };
  const [first, second] = [await open(shared), await open(shared)];
  const abandon = async (rolloutId: string): Promise<void> => {
    await first.enqueue([{ rolloutId, input: 1 }]);
    await first.claim({ workerId: 'w', leaseMs: 10 });
    nowMs += 1_000;
  };
  const statusAfterTurn = async (store: SqliteStore, rolloutId: string): Promise<string | undefined> => {
    await CheckedStore.operationsOf(store)?.call('takeWatchdogTurn', []);
    return (await first.getRollout(rolloutId))?.status;
  };
  await abandon('a');
  expect(await statusAfterTurn(second, 'a')).toBe('failed');
  await abandon('b');
  expect(await statusAfterTurn(first, 'b')).toBe('preparing');
  nowMs += 2_000;
  expect(await statusAfterTurn(first, 'b')).toBe('failed');
});

describe('openSqliteStore', () => {
  it('commits writes of one moment together and each alone when it must', async () => {
    const store = await open();
    const writes = await Promise.allSettled([
      store.enqueue([{ rolloutId: 'a', input: 1 }]),
      store.enqueue([{ rolloutId: 'a', input: 2 }]),
      store.cancel('absent'),
      store.enqueue([{ rolloutId: 'b', input: 1 }]),
    ]);
    expect(writes.map((write) => write.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect((await store.queryRollouts()).items.map((rollout) => rollout.input)).toEqual([1, 1]);
  });

  it('waits for the disk at each commit when durability is full, and not when it is normal', () => {
    const levels = (['full', 'normal'] as const).map((durability) => {
      const connection = openWritingConnection(
        { path: join(folder, 'level.db'), durability, busyTimeoutMs: 0, maxSizeBytes: 0 },
        [],
      );
      const level = [
        pragma(connection, 'synchronous'),
        connection.prepare('PRAGMA journal_mode').get()?.['journal_mode'],
      ];
      connection.close();
      return level;
    });
    expect(levels).toEqual([
      [2, 'wal'],
      [1, 'wal'],
    ]);
  });

  it('prints nothing in a program that uses it', () => {
    expect(runProgram('completing-worker.ts', [join(folder, 'quiet.db')])).toEqual({
      stdout: 'nothing to do\n',
      stderr: '',
      status: 0,
    });
  });

  it('keeps a process alive while it waits, and no longer', () => {
    expect(runProgram('open-at-the-end.ts', [join(folder, 'open.db')])).toEqual({
      stdout: 'queuing\n',
      stderr: '',
      status: 0,
    });
  });

  it('refuses options that it cannot honour', async () => {
    const wrong: [Partial<SqliteStoreOptions>, RegExp][] = [
      [{ path: ':memory:' }, /MemoryStore/],
      [{ path: 'file:x?mode=memory' }, /MemoryStore/],
      [{ path: '' }, /path/],
      [{ path: 'a\0b' }, /path/],
      [{ durability: 'off' as 'full' }, /durability.*off/],
      [{ busyTimeoutMs: -1 }, /busyTimeoutMs.*-1/],
      [{ maxSizeBytes: 0.5 }, /maxSizeBytes.*0\.5/],
      [{ thread: 'yes' as unknown as boolean }, /thread.*yes/],
      [{ watchdogIntervalMs: NaN }, /watchdogIntervalMs.*NaN/],
    ];
    for (const [options, message] of wrong)
      expect(await errorOf(open(options))).toMatchObject({
        code: 'option-invalid',
        message: expect.stringMatching(message),
      });
  });

  it('claims each of 5,000 queued rollouts once, in order', async () => {
    const store = await open();
    const ids = Array.from({ length: 5_000 }, (_, index) => `r${index}`);
    await store.enqueue(ids.map((rolloutId) => ({ rolloutId, input: 1 })));
    const claims: Claim[] = [];
    for (let batch: readonly Claim[]; (batch = await store.claim({ workerId: 'w', limit: 2_000 })).length > 0;)
      claims.push(...batch);
    expect(claims.map((claim) => claim.rollout.rolloutId)).toEqual(ids);
  });
});

function runProgram(
  name: string,
  args: readonly string[],
): { readonly stdout: string; readonly stderr: string; readonly status: number | null } {
  const program = fileURLToPath(new URL(`../test/programs/${name}`, import.meta.url));
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--conditions=@agent-lightning/source', program, ...args],
    { encoding: 'utf8', env: { PATH: process.env['PATH'] } },
  );
  return { stdout, stderr, status };
}
