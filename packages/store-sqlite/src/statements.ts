import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { SqlRow } from '@agent-lightning/store';

/** A statement, and how it takes its values. */
interface Prepared {
  readonly statement: StatementSync;
  /** True for parameters with numbers (`?1`), which are bound by name: the first versions of Node 22 that are supported cannot bind them otherwise. */
  readonly isNumbered: boolean;
}

/** Runs one connection's statements, each prepared once. The parameters of a statement are all plain (`?`) or all with numbers (`?1`). */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared: Map<string, Prepared> = new Map();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  all(sql: string, ...values: SQLInputValue[]): SqlRow[] {
    const { statement, isNumbered } = this.#prepare(sql);
    return isNumbered ? statement.all(nameValues(values)) : statement.all(...values);
  }

  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined {
    const { statement, isNumbered } = this.#prepare(sql);
    return isNumbered ? statement.get(nameValues(values)) : statement.get(...values);
  }

  /** Runs a statement. Returns how many records changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    const { statement, isNumbered } = this.#prepare(sql);
    return Number((isNumbered ? statement.run(nameValues(values)) : statement.run(...values)).changes);
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#prepared.get(sql);
    if (prepared === undefined) {
      const named = sql.replaceAll(/\?(\d+)/g, ':value$1');
      prepared = { statement: this.#database.prepare(named), isNumbered: named !== sql };
      this.#prepared.set(sql, prepared);
    }
    return prepared;
  }
}

function nameValues(values: readonly SQLInputValue[]): Record<string, SQLInputValue> {
  return Object.fromEntries(values.map((value, index) => [`value${index + 1}`, value]));
}
