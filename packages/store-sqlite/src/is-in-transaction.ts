import type { DatabaseSync } from 'node:sqlite';

/** The connection as Node 22.15 has it, which does not tell. */
type Connection = Pick<DatabaseSync, 'exec'> & { readonly isTransaction?: boolean };

/** Tells whether a connection has begun a transaction that is not over. Node tells since 22.16; before that, a second one is begun, which SQLite rejects. */
export function isInTransaction(connection: Connection): boolean {
  if (connection.isTransaction !== undefined) return connection.isTransaction;
  try {
    connection.exec('BEGIN');
  } catch (error) {
    if ((error as Error).message.includes('within a transaction')) return true;
    throw error;
  }
  connection.exec('ROLLBACK');
  return false;
}
