/**
 * Runs the tests of every workspace, and ends with how long each took, what failed, and a line such as
 * `1200 passed, 0 failed, 3 skipped`.
 *
 *     npm test                   (all)
 *     npm test -- -p trainer     (what nx run-many takes; then only those are counted)
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { formatTable } from './format-table.ts';
import { addTotals, formatTotals, listTestedWorkspaces, readResults, removeResults } from './test-totals.ts';

const root = join(import.meta.dirname, '..');
const nxArguments = process.argv.slice(2);
const isPart = nxArguments.some((argument) => /^(?:-p|--projects?|--exclude)\b/.test(argument));
const workspaces = listTestedWorkspaces(root);
const startedAtMs = Date.now();
for (const workspace of workspaces) removeResults(workspace);
const nx = spawnSync('nx', ['run-many', '-t', 'test', '--outputStyle=static', ...nxArguments], {
  cwd: root,
  stdio: 'inherit',
});
if (nx.error !== undefined) throw nx.error;

const problems: string[] = [];
const results = workspaces.flatMap((workspace) => {
  const result = readResults(workspace, startedAtMs);
  if (result !== undefined) return [{ ...result, name: workspace.name }];
  if (!isPart && !workspace.mayBeEmpty)
    problems.push(`${workspace.name}: its tests left no results in ${workspace.directory}; did they run?`);
  return [];
});
const totals = addTotals(results);
if (totals.passed + totals.failed === 0) problems.push('no test ran');
if (nx.status !== 0 && totals.failed === 0) problems.push('nx failed before or after the tests; see above');

const rows = results.map(({ name, passed, failed, skipped, seconds, isCached }) => [
  name,
  String(passed),
  String(failed),
  String(skipped),
  isCached ? 'cached' : seconds.toFixed(1),
]);
console.log(`\n${formatTable(['workspace', 'passed', 'failed', 'skipped', 'seconds'], rows)}`);
console.log(`all: ${((Date.now() - startedAtMs) / 1_000).toFixed(1)} seconds`);
for (const { name, failures } of results) for (const failure of failures) console.error(`failed: ${name}: ${failure}`);
for (const problem of problems) console.error(`problem: ${problem}`);
console.log(formatTotals({ ...totals, failed: totals.failed + problems.length }));
process.exitCode = nx.status === 0 && problems.length === 0 ? 0 : 1;
