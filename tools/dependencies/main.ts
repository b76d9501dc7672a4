/**
 * Says what comes with an install of our packages: each dependency with its licence. Fails for a licence that is not on the list
 * (find-problems.ts), and for a dependency that runs a script when it is installed.
 *
 *     node tools/dependencies/main.ts
 */
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { formatTable } from '../format-table.ts';
import { listPackageFolders } from '../packed/pack-packages.ts';
import { findProblems } from './find-problems.ts';
import { listShippedDependencies, type LockFile } from './shipped-dependencies.ts';

const root = join(import.meta.dirname, '..', '..');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
const folders = listPackageFolders(root).map((folder) => relative(root, folder).split(sep).join('/'));
const dependencies = listShippedDependencies(lock, folders);
const rows = dependencies.map(({ name, version, license, askedBy }) => [name, version, license ?? '(none)', askedBy]);
console.log(formatTable(['dependency', 'version', 'licence', 'asked for by'], rows));
const problems = findProblems(dependencies);
for (const problem of problems) console.error(problem);
console.log(
  problems.length === 0
    ? `dependencies: ${dependencies.length}, every licence is allowed, and none runs a script when it is installed`
    : `dependencies: ${problems.length} problem(s)`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
