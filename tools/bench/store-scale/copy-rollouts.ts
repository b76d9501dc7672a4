import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** Copies every finished rollout of a closed SQLite store, with all that belongs to it, until the file holds `rollouts`. */
export function copyInSqlite(path: string, rollouts: number): void {
  const database = new DatabaseSync(path);
  const count = (table: string): number =>
    Number(Object.values(database.prepare(`SELECT count(*) FROM ${table}`).get() ?? {})[0]);
  // The file is thrown away when it breaks: only the store's own writes are measured.
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -500000');
  for (let held = count('rollouts'); held < rollouts; held = count('rollouts')) {
    const which = `ordinal <= ${Math.min(held, rollouts - held)}`;
    database.exec(`BEGIN;
      INSERT INTO rollouts SELECT ordinal + ${held}, rollout_id || '-${held}', status, mode, queue, priority, run_id, group_id,
        worker_tags, attempt_count, last_sequence_id, created_at_ms, available_at_ms, ended_at_ms, deadline_ms, failure
        FROM rollouts WHERE ${which};
      INSERT INTO tasks SELECT ordinal + ${held}, input, settings FROM tasks WHERE ${which};
      INSERT INTO attempts SELECT ordinal + ${held}, attempt_number, attempt_id || '-${held}', status, worker_id, fencing_token,
        lease_ms, started_at_ms, last_progress_at_ms, lease_expires_at_ms, ended_at_ms, failure FROM attempts WHERE ${which};
      INSERT INTO spans SELECT span_key + (${held} << 22), span_id, attempt_number, kind, name, body
        FROM spans WHERE span_key >> 22 <= ${Math.min(held, rollouts - held)};
      COMMIT`);
  }
  database.exec(`UPDATE counters SET value = (SELECT count(*) FROM spans) WHERE name = 'spans'; ANALYZE`);
  database.close();
}

/** Does the same in a schema of a PostgreSQL server. */
export async function copyInPostgres(connection: string, schema: string, rollouts: number): Promise<void> {
  const client = new pg.Client({ connectionString: connection, options: `-c search_path="${schema}"` });
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    for (;;) {
      const held = Number((await client.query('SELECT count(*) AS held FROM rollouts')).rows[0].held);
      if (held >= rollouts) break;
      const which = `ordinal <= ${Math.min(held, rollouts - held)}`;
      await client.query(`BEGIN;
        INSERT INTO rollouts SELECT ordinal + ${held}, rollout_id || '-${held}', status, mode, queue, priority, run_id, group_id,
          worker_tags, attempt_count, last_sequence_id, token_count, created_at_ms, available_at_ms, ended_at_ms, deadline_ms, failure
          FROM rollouts WHERE ${which};
        INSERT INTO tasks SELECT ordinal + ${held}, input, settings FROM tasks WHERE ${which};
        INSERT INTO attempts SELECT ordinal + ${held}, attempt_number, attempt_id || '-${held}', status, worker_id, fencing_token,
          lease_ms, started_at_ms, last_progress_at_ms, lease_expires_at_ms, ended_at_ms, failure FROM attempts WHERE ${which};
        INSERT INTO spans SELECT ordinal + ${held}, sequence_id, span_id, attempt_number, kind, name, body FROM spans WHERE ${which};
        COMMIT`);
    }
    await client.query('UPDATE positions SET rollout = (SELECT max(ordinal) FROM rollouts)');
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}
