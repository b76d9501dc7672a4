/** Writes the schema of a SQLite database for a prompt. */
import { DatabaseSync } from 'node:sqlite';

/** Returns a line for each table, `singer(Singer_ID INTEGER, Name TEXT)`, and one for each foreign key, `concert.Stadium_ID = stadium.Stadium_ID`. */
export function describeSchema(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
      .all()
      .map(({ name }) => String(name));
    return [...tables.map((table) => tableLine(database, table)), ...tables.flatMap((t) => keyLines(database, t))].join(
      '\n',
    );
  } finally {
    database.close();
  }
}

function tableLine(database: DatabaseSync, table: string): string {
  const columns = database.prepare('SELECT name, type FROM pragma_table_info(?)').all(table);
  return `${quoted(table)}(${columns.map(({ name, type }) => `${quoted(String(name))} ${type}`.trim()).join(', ')})`;
}

/** A key without a column of the other table means its primary key. */
function keyLines(database: DatabaseSync, table: string): readonly string[] {
  const keys = database.prepare(
    'SELECT "table" AS other, "from" AS here, "to" AS there FROM pragma_foreign_key_list(?)',
  );
  return keys.all(table).map(({ other, here, there }) => {
    const column = there === null ? '' : `.${quoted(String(there))}`;
    return `${quoted(table)}.${quoted(String(here))} = ${quoted(String(other))}${column}`;
  });
}

/** Quotes a name that SQL could not read otherwise. */
function quoted(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
