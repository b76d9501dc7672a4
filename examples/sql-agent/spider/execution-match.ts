/**
 * Tells whether two queries mean the same, by their results, as Spider's evaluation does.
 *
 * 1. Both queries lose their DISTINCT, and `YEAR(CURDATE())` is 2020.
 * 2. Rows are compared as a bag; as a list where the gold query has ORDER BY.
 * 3. The columns may come in another order.
 * 4. A number is equal to a number of the same value (1 and 1.0), never to a text.
 *
 * @source github.com/taoyds/test-suite-sql-eval, exec_eval.py: `eval_exec_match` with its defaults (`plug_value` and `keep_distinct` off)
 */

/** A value of a result, as `node:sqlite` reads it with `setReadBigInts(true)`. */
export type ExactCell = string | number | bigint | Uint8Array | null;

/** Returns a query as the evaluation runs it. */
export function normalizeQuery(query: string): string {
  return withoutDistinct(query.replaceAll('> =', '>=').replaceAll('< =', '<=').replaceAll('! =', '!=')).replaceAll(
    /YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*/gi,
    '2020',
  );
}

/** Tells whether the order of the rows counts. */
export function isOrdered(gold: string): boolean {
  return gold.toLowerCase().includes('order by');
}

/** Skips over texts, quoted names and comments, in which DISTINCT is no keyword. */
function withoutDistinct(query: string): string {
  const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|\bDISTINCT\b/gi;
  return query.replaceAll(token, (text) => (text.toUpperCase() === 'DISTINCT' ? '' : text));
}

type Rows<Cell> = readonly (readonly Cell[])[];

/** Tells whether two results are equal, up to the order of columns, and of rows where that does not count. */
export function resultsMatch(gold: Rows<ExactCell>, actual: Rows<ExactCell>, ordered: boolean): boolean {
  if (gold.length !== actual.length) return false;
  if (gold.length === 0) return true;
  const columns = gold[0]!.length;
  if (actual[0]!.length !== columns) return false;
  const [expected, found] = [gold, actual].map((rows) => rows.map((row) => row.map(keyOf)));
  return canAlign(expected!, found!, { columns, ordered, chosen: [] });
}

interface Alignment {
  readonly columns: number;
  readonly ordered: boolean;
  /** The column of the actual rows for each of the first columns of the gold rows. */
  readonly chosen: readonly number[];
}

/** Chooses a column for the next one, so that the rows of the chosen columns are equal, and goes on from there. */
function canAlign(gold: Rows<string>, actual: Rows<string>, { columns, ordered, chosen }: Alignment): boolean {
  if (chosen.length === columns) return true;
  const expected = linesOf(gold, [...chosen.keys(), chosen.length], ordered);
  for (let column = 0; column < columns; column += 1) {
    if (chosen.includes(column)) continue;
    const next = [...chosen, column];
    const isEqual = linesOf(actual, next, ordered).every((line, row) => line === expected[row]);
    if (isEqual && canAlign(gold, actual, { columns, ordered, chosen: next })) return true;
  }
  return false;
}

function linesOf(rows: Rows<string>, columns: readonly number[], ordered: boolean): readonly string[] {
  const lines = rows.map((row) => JSON.stringify(columns.map((column) => row[column])));
  return ordered ? lines : lines.sort();
}

/** Writes a cell so that equal cells, and no others, have equal texts. */
function keyOf(cell: ExactCell): string {
  if (cell === null) return 'null';
  if (typeof cell === 'string') return `text ${cell}`;
  if (cell instanceof Uint8Array) return `bytes ${Buffer.from(cell).toString('hex')}`;
  return `number ${typeof cell === 'number' && Number.isInteger(cell) ? BigInt(cell) : cell}`;
}
