import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Tells whether a process trains in a run directory: it holds the lock, which nobody can read meanwhile. A lock that cannot be opened at all
 * is held by nobody who trains.
 */
export function isTraining(directory: string): boolean {
  const path = join(directory, 'run.lock');
  if (!existsSync(path)) return false;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec('PRAGMA busy_timeout = 0');
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    return false;
  } catch (error) {
    return error instanceof Error && /locked|busy/i.test(error.message);
  } finally {
    database?.close();
  }
}
