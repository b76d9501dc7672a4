/**
 * Checks the public face of each package: how many symbols its `index.ts` exports, and that the first sentence about an
 * exported symbol says what it is or does. Prints a table. Fails closed: a workspace without packages is a failure.
 *
 *     node tools/check-exports.ts [workspace root]
 */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A package that exports more than this serves more than one audience. */
const mostExports = 90;

/** Words that begin a clause without subject and verb. */
const headlessOpenings: ReadonlySet<string> = new Set(
  (
    'about above across after against along among around as at before behind below beneath beside between beyond by down ' +
    'during for from how in inside into like near of off on onto out outside over per since through throughout till to ' +
    'toward towards under until unto up upon what whether with within without'
  ).split(' '),
);

/** The exports of one package. */
export interface ExportCount {
  readonly name: string;
  readonly values: number;
  readonly types: number;
}

/** Counts the symbols that an `index.ts` exports by name. */
export function countExports(name: string, source: string): ExportCount {
  let [values, types] = [0, 0];
  for (const [, isType, list] of source.matchAll(/export (type )?\{([^}]*)\}/g)) {
    for (const symbol of list!.replaceAll(/\/\/[^\n]*/g, '').split(',')) {
      if (symbol.trim() === '') continue;
      if (isType !== undefined || symbol.trim().startsWith('type ')) types += 1;
      else values += 1;
    }
  }
  return { name, values, types };
}

/** Finds the exported symbols of a file whose first comment sentence begins with a preposition, "What", "How" or "Whether". */
export function findHeadlessComments(source: string): readonly string[] {
  const exported =
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export (?:declare |abstract |async )*(?:function\*?|class|const|let|interface|type|enum) (\w+)/g;
  return [...source.matchAll(exported)].flatMap(([, comment, symbol]) => {
    const sentence = comment!
      .replaceAll(/^\s*\*/gm, ' ')
      .trim()
      .split(/\s+/)
      .slice(0, 8)
      .join(' ');
    const opening = /^[A-Za-z]+/.exec(sentence)?.[0].toLowerCase();
    return opening !== undefined && headlessOpenings.has(opening) ? [`${symbol}: "${sentence} …"`] : [];
  });
}

/** Checks every package of a workspace; returns the counts and the broken rules, one sentence each. */
export function checkExports(root: string): {
  readonly counts: readonly ExportCount[];
  readonly problems: readonly string[];
} {
  const indexes = globSync('packages/*/src/index.ts', { cwd: root }).toSorted();
  if (indexes.length === 0) return { counts: [], problems: [`${root}: no packages found, so nothing was checked`] };
  const counts = indexes.map((file) => countExports(file.split(/[\\/]/)[1]!, readFileSync(join(root, file), 'utf8')));
  const tooMany = counts
    .filter(({ values, types }) => values + types > mostExports)
    .map(({ name, values, types }) => `packages/${name}: exports ${values + types} symbols, more than ${mostExports}`);
  const headless = globSync('packages/*/src/**/*.ts', { cwd: root })
    .filter((file) => !/\.test(-d)?\.ts$/.test(file))
    .toSorted()
    .flatMap((file) =>
      findHeadlessComments(readFileSync(join(root, file), 'utf8')).map(
        (found) => `${file}: ${found}: begin with a subject and a verb ("Returns …", "Counts …", "A policy that …")`,
      ),
    );
  return { counts, problems: [...tooMany, ...headless] };
}

function printTable(counts: readonly ExportCount[]): void {
  console.log(`${'package'.padEnd(18)}values  types  all`);
  for (const { name, values, types } of counts)
    console.log(
      name.padEnd(18) + String(values).padStart(6) + String(types).padStart(7) + String(values + types).padStart(5),
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { counts, problems } = checkExports(resolve(process.argv[2] ?? '.'));
  printTable(counts);
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? 'exports: every rule is kept' : `exports: ${problems.length} problem(s)`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
