import { createHash } from 'node:crypto';
import { StoreError } from '@agent-lightning/core';
import type { ClientBase } from 'pg';

/** The share of the counted statements after which `counts` is folded. */
const foldedShare = 0.002;

/**
 * Each entry brings the schema from the version of its index to the next. Never edit one that was released: add another.
 *
 * - Immutable, possibly large parts of a rollout live in `tasks`, so that a change of status rewrites a small record.
 * - `positions` has one record. Whoever raises it holds it until its commit, so that positions are in the order of commits: a
 *   reader that has seen position n has seen all before it. It is taken last, together with the commit.
 * - Tokens are bytes that do not compress, kept in the record when they fit a page.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL);

  CREATE TABLE rollouts (
    ordinal bigint PRIMARY KEY,
    rollout_id text NOT NULL UNIQUE,
    status text NOT NULL,
    mode text NOT NULL,
    queue text NOT NULL,
    priority bigint NOT NULL,
    run_id text,
    group_id text,
    worker_tags text[],
    attempt_count int NOT NULL,
    last_sequence_id int NOT NULL,
    token_count bigint NOT NULL DEFAULT 0,
    created_at_ms bigint NOT NULL,
    available_at_ms bigint NOT NULL,
    ended_at_ms bigint,
    deadline_ms bigint,
    failure text
  ) WITH (fillfactor = 70);
  CREATE INDEX rollouts_queued ON rollouts (queue, priority DESC, ordinal) WHERE status IN ('queuing', 'requeuing');
  CREATE INDEX rollouts_deadline ON rollouts (deadline_ms) WHERE deadline_ms IS NOT NULL;
  CREATE INDEX rollouts_run ON rollouts (run_id, ordinal) WHERE run_id IS NOT NULL;
  CREATE INDEX rollouts_group ON rollouts (group_id, ordinal) WHERE group_id IS NOT NULL;

  CREATE TABLE tasks (ordinal bigint PRIMARY KEY, input text NOT NULL, settings text NOT NULL);

  CREATE TABLE attempts (
    ordinal bigint NOT NULL,
    attempt_number int NOT NULL,
    attempt_id text NOT NULL,
    status text NOT NULL,
    worker_id text NOT NULL,
    fencing_token bigint NOT NULL,
    lease_ms bigint NOT NULL,
    started_at_ms bigint NOT NULL,
    last_progress_at_ms bigint NOT NULL,
    lease_expires_at_ms bigint NOT NULL,
    ended_at_ms bigint,
    failure text,
    PRIMARY KEY (ordinal, attempt_number)
  ) WITH (fillfactor = 70);
  CREATE INDEX attempts_live ON attempts (worker_id) WHERE ended_at_ms IS NULL;

  CREATE TABLE spans (
    ordinal bigint NOT NULL,
    sequence_id int NOT NULL,
    span_id text NOT NULL,
    attempt_number int NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (ordinal, sequence_id)
  );
  CREATE UNIQUE INDEX spans_id ON spans (ordinal, span_id, attempt_number);
  CREATE TABLE tokens (
    ordinal bigint NOT NULL,
    sequence_id int NOT NULL,
    packed bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (ordinal, sequence_id)
  ) WITH (toast_tuple_target = 8160);

  CREATE TABLE resources (
    ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resources_id text NOT NULL,
    version int NOT NULL,
    body text NOT NULL,
    created_at_ms bigint NOT NULL,
    UNIQUE (resources_id, version)
  );

  CREATE TABLE workers (worker_id text PRIMARY KEY, last_seen_at_ms bigint NOT NULL) WITH (fillfactor = 70);
  CREATE TABLE events (cursor bigint PRIMARY KEY, type text NOT NULL, id text NOT NULL, status text);
  CREATE TABLE positions (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    event bigint NOT NULL DEFAULT 0,
    events_removed bigint NOT NULL DEFAULT 0,
    rollout bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 10);
  INSERT INTO positions DEFAULT VALUES;
  CREATE TABLE watchdog (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), holder text NOT NULL DEFAULT '', until_ms bigint NOT NULL DEFAULT 0);
  INSERT INTO watchdog DEFAULT VALUES;
  CREATE SEQUENCE fencing_tokens INCREMENT 10000;
  `,
  countedTables(),
  'CREATE INDEX rollouts_ended ON rollouts (ended_at_ms) WHERE ended_at_ms IS NOT NULL',
];

/**
 * Makes triggers count the records by status in the transaction that changes them. Each statement adds its differences as records of
 * `counts`, so that transactions do not wait for each other; the sum of the records of a name is its count. Once in a while the
 * records that nobody else holds are folded into one for each name: `statistics` reads some thousands of them at the most.
 */
function countedTables(): string {
  const rolloutCounts = (table: string, sign: string): string =>
    `SELECT 'rollouts:' || status AS name, ${sign}1 AS change FROM ${table}
    UNION ALL SELECT 'spans', ${sign}last_sequence_id FROM ${table}
    UNION ALL SELECT 'tokens', ${sign}token_count FROM ${table}`;
  const attemptCounts = (table: string, sign: string): string =>
    `SELECT 'attempts:' || status AS name, ${sign}1 AS change FROM ${table}`;
  return `
  CREATE TABLE counts (name text NOT NULL, total bigint NOT NULL);
  ${countedTable('rollouts', rolloutCounts)}
  ${countedTable('attempts', attemptCounts)}
  INSERT INTO counts SELECT name, sum(change) FROM (
    ${rolloutCounts('rollouts', '')} UNION ALL ${attemptCounts('attempts', '')}) changes GROUP BY name;
  `;
}

function countedTable(table: string, counts: (rows: string, sign: string) => string): string {
  const count = (changes: string): string =>
    `INSERT INTO counts SELECT name, sum(change) FROM (${changes}) changes GROUP BY name HAVING sum(change) <> 0;`;
  return `
  CREATE FUNCTION count_${table}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN ${count(counts('after_rows', ''))}
    ELSIF TG_OP = 'DELETE' THEN ${count(counts('before_rows', '-'))}
    ELSE ${count(`${counts('after_rows', '')} UNION ALL ${counts('before_rows', '-')}`)}
    END IF;
    IF random() < ${foldedShare} THEN
      WITH gone AS (DELETE FROM counts WHERE ctid IN (SELECT ctid FROM counts FOR UPDATE SKIP LOCKED) RETURNING name, total)
      INSERT INTO counts SELECT name, sum(total) FROM gone GROUP BY name;
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER ${table}_inserted AFTER INSERT ON ${table} REFERENCING NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_${table}();
  CREATE TRIGGER ${table}_deleted AFTER DELETE ON ${table} REFERENCING OLD TABLE AS before_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_${table}();
  CREATE TRIGGER ${table}_changed AFTER UPDATE ON ${table} REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_${table}();`;
}

/** One value of `fencing_tokens` is a block of so many tokens: at least as many as one claim can ask for. */
export const fencingTokensPerBlock: number = 10_000;

export const schemaVersion: number = migrations.length;

/**
 * Creates the schema, or brings it to this version, in one transaction; processes that open at once wait for each other.
 * @throws `store-schema` when it is newer, or another program's
 */
export async function migrate(
  client: ClientBase,
  schema: string,
  steps: readonly string[] = migrations,
): Promise<void> {
  if ((await readVersion(client, schema, steps.length)) === steps.length) return;
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [lockKey(schema)]);
    // Read again under the lock: another process may have migrated in between.
    const from = await readVersion(client, schema, steps.length);
    if (from < 1) await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(schema)}`);
    for (const step of steps.slice(Math.max(0, from))) await client.query(step);
    await client.query(
      `INSERT INTO settings VALUES ('schema_version', $1) ON CONFLICT (name) DO UPDATE SET value = $1`,
      [String(steps.length)],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // a connection that broke has rolled back by itself
    throw error;
  }
}

/**
 * Reads the version of the schema and changes nothing; undefined where there is no store.
 * @throws `store-schema` when it is newer than this version, or another program's
 */
export async function readStoreVersion(client: ClientBase, schema: string): Promise<number | undefined> {
  const version = await readVersion(client, schema, schemaVersion);
  return version < 1 ? undefined : version;
}

/** Reads the version of the schema: -1 when it does not exist, 0 when it is empty. */
async function readVersion(client: ClientBase, schema: string, known: number): Promise<number> {
  const { rows } = await client.query<{ tables: number; is_ours: boolean }>(
    `SELECT (SELECT count(*)::int FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm')) AS tables,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'settings') AND
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'fencing_tokens') AS is_ours
     FROM pg_namespace n WHERE n.nspname = $1`,
    [schema],
  );
  const [found] = rows;
  if (found === undefined) return -1;
  if (found.tables === 0) return 0;
  if (!found.is_ours) {
    throw new StoreError(`schema "${schema}" has tables of another program; give the store a schema of its own`, {
      code: 'store-schema',
    });
  }
  const version = await client.query<{ value: string }>(`SELECT value FROM settings WHERE name = 'schema_version'`);
  const number = Number(version.rows[0]?.value);
  if (number > known) {
    throw new StoreError(
      `schema "${schema}" has version ${number}, and this version of store-postgres knows up to ${known}; upgrade @agent-lightning/store-postgres`,
      { code: 'store-schema' },
    );
  }
  return number;
}

function lockKey(schema: string): string {
  return createHash('sha256').update(`agent-lightning ${schema}`).digest().readBigInt64BE(0).toString();
}
