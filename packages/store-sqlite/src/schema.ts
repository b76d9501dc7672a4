import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from '@agent-lightning/core';
import { isInTransaction } from './is-in-transaction.ts';

/** The number in `PRAGMA application_id`, "AgLt". A file with another one belongs to another program. */
const applicationId: number = 0x41674c74;

/**
 * Each entry brings the file from the version of its index to the next. Never edit one that was released: add another.
 *
 * - Immutable, possibly large parts of a rollout live in `tasks`, so that a change of status rewrites a small record.
 * - `span_key` is `ordinal * 2^22 + sequence_id`: the spans of a rollout lie together, in order, in one B-tree.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE rollouts (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    mode TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    run_id TEXT,
    group_id TEXT,
    worker_tags TEXT,
    attempt_count INTEGER NOT NULL,
    last_sequence_id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    available_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    deadline_ms INTEGER,
    failure TEXT
  ) STRICT;
  CREATE INDEX rollouts_queued ON rollouts (queue, priority DESC, ordinal) WHERE status IN ('queuing', 'requeuing');
  CREATE INDEX rollouts_deadline ON rollouts (deadline_ms) WHERE deadline_ms IS NOT NULL;
  CREATE INDEX rollouts_run ON rollouts (run_id, ordinal) WHERE run_id IS NOT NULL;
  CREATE INDEX rollouts_group ON rollouts (group_id, ordinal) WHERE group_id IS NOT NULL;

  CREATE TABLE tasks (ordinal INTEGER PRIMARY KEY, input TEXT NOT NULL, settings TEXT NOT NULL) STRICT;

  CREATE TABLE attempts (
    ordinal INTEGER NOT NULL,
    attempt_number INTEGER NOT NULL,
    attempt_id TEXT NOT NULL,
    status TEXT NOT NULL,
    worker_id TEXT NOT NULL,
    fencing_token INTEGER NOT NULL,
    lease_ms INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    last_progress_at_ms INTEGER NOT NULL,
    lease_expires_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    failure TEXT,
    PRIMARY KEY (ordinal, attempt_number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attempts_live ON attempts (worker_id) WHERE ended_at_ms IS NULL;

  CREATE TABLE spans (
    span_key INTEGER PRIMARY KEY,
    span_id TEXT NOT NULL,
    attempt_number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX spans_id ON spans (span_key >> 22, span_id, attempt_number);
  CREATE TABLE tokens (span_key INTEGER PRIMARY KEY, token_count INTEGER NOT NULL, packed BLOB NOT NULL) STRICT;

  CREATE TABLE resources (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    resources_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    UNIQUE (resources_id, version)
  ) STRICT;

  CREATE TABLE workers (worker_id TEXT PRIMARY KEY, last_seen_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE events (cursor INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, id TEXT NOT NULL, status TEXT) STRICT;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('fencing_token', 0), ('spans', 0), ('tokens', 0), ('watchdog_until_ms', 0);
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `INSERT INTO counters VALUES ('events_removed', 0);`,
  countedTables(),
  `CREATE INDEX rollouts_ended ON rollouts (ended_at_ms) WHERE ended_at_ms IS NOT NULL;`,
];

/** Makes triggers count the records by status in the transaction that changes them: `statistics` reads as many counters as there are statuses. */
function countedTables(): string {
  const count = (name: string, change: string): string =>
    `INSERT INTO counters VALUES (${name}, ${change}) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value;`;
  const byStatus = ['rollouts', 'attempts'].map(
    (table) => `
  INSERT INTO counters SELECT '${table}:' || status, count(*) FROM ${table} GROUP BY status;
  CREATE TRIGGER ${table}_inserted AFTER INSERT ON ${table} BEGIN ${count(`'${table}:' || NEW.status`, '1')} END;
  CREATE TRIGGER ${table}_deleted AFTER DELETE ON ${table} BEGIN ${count(`'${table}:' || OLD.status`, '-1')} END;
  CREATE TRIGGER ${table}_changed AFTER UPDATE OF status ON ${table} WHEN OLD.status <> NEW.status BEGIN
    ${count(`'${table}:' || OLD.status`, '-1')} ${count(`'${table}:' || NEW.status`, '1')}
  END;`,
  );
  return `${byStatus.join('\n')}
  INSERT INTO counters SELECT 'resources', count(*) FROM resources;
  CREATE TRIGGER resources_inserted AFTER INSERT ON resources BEGIN ${count(`'resources'`, '1')} END;
  `;
}

export const schemaVersion: number = migrations.length;

/** Brings the file to this version of the schema, in one transaction. @throws `store-schema` when it is newer, or another program's */
export function migrate(database: DatabaseSync, path: string, to: number = schemaVersion): void {
  if (readVersion(database, path) === to) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    // Read again under the lock: another process may have migrated in between.
    const from = readVersion(database, path);
    for (const statements of migrations.slice(from, to)) database.exec(statements);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${to}; COMMIT`);
  } catch (error) {
    if (isInTransaction(database)) database.exec('ROLLBACK');
    throw error;
  }
}

function readVersion(database: DatabaseSync, path: string): number {
  const version = pragma(database, 'user_version');
  const application = pragma(database, 'application_id');
  const isFresh = version === 0 && application === 0 && pragma(database, 'schema_version') === 0;
  if (!isFresh && application !== applicationId) {
    throw new StoreError(
      `${path} is a SQLite database of another program (application_id ${application}); give the store a file of its own`,
      { code: 'store-schema' },
    );
  }
  if (version > schemaVersion) {
    throw new StoreError(
      `${path} has schema version ${version}, and this version of store-sqlite knows up to ${schemaVersion}; upgrade @agent-lightning/store-sqlite`,
      { code: 'store-schema' },
    );
  }
  return version;
}

/** Returns the integer that a pragma answers with. */
export function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}
