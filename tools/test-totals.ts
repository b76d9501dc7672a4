/** Reads what Vitest wrote about each workspace's tests, and adds it up. */
import { existsSync, globSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Names the file in which a workspace's run leaves its results; vitest.config.ts says so to Vitest. */
export const resultsFile = '.vitest/results.json';
/** Names the file of the heavy tests' results; vitest.full.config.ts says so to Vitest. */
export const fullResultsFile = '.vitest/full-results.json';

/** Counts tests by how they ended. A file that does not load counts as one failed test. */
export interface TestTotals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Holds what the run of one workspace's tests came to. */
export interface TestResults extends TestTotals {
  /** Names each failed test by its file and title, with the first line of what it said. */
  readonly failures: readonly string[];
  readonly seconds: number;
  /** Tells whether the results are those of an earlier run on the same files. */
  readonly isCached: boolean;
}

/** Names a workspace with tests. */
export interface TestedWorkspace {
  readonly name: string;
  readonly directory: string;
  /** Tells whether its test script accepts that there are none. */
  readonly mayBeEmpty: boolean;
}

/** Lists the workspaces of the repository at `root` that have a script `test`. */
export function listTestedWorkspaces(root: string): readonly TestedWorkspace[] {
  const { workspaces } = readJson(join(root, 'package.json')) as { readonly workspaces: readonly string[] };
  return globSync(
    workspaces.map((pattern) => `${pattern}/package.json`),
    { cwd: root },
  )
    .toSorted()
    .flatMap((manifest) => {
      const { name, scripts } = readJson(join(root, manifest)) as Manifest;
      if (scripts?.['test'] === undefined) return [];
      const mayBeEmpty = scripts['test'].includes('--passWithNoTests');
      return [{ name, directory: join(root, manifest, '..'), mayBeEmpty }];
    });
}

/** Removes the results of an earlier run, so that they cannot stand for those of one that broke. */
export function removeResults({ directory }: TestedWorkspace): void {
  rmSync(join(directory, resultsFile), { force: true });
}

/** Reads a workspace's results; undefined where its run left none. */
export function readResults({ directory }: TestedWorkspace, startedAtMs: number): TestResults | undefined {
  const file = join(directory, resultsFile);
  const written = statSync(file, { throwIfNoEntry: false });
  if (written === undefined) return undefined;
  const report = readJson(file) as VitestReport;
  return {
    ...countTests(report),
    failures: listFailures(report, directory),
    seconds: (written.mtimeMs - report.startTime) / 1_000,
    isCached: report.startTime < startedAtMs,
  };
}

/** Holds what the heavy tests of one workspace came to. */
export interface FullResults extends TestTotals {
  /** Names the groups of the skipped tests, whose titles say what they lack. */
  readonly skippedGroups: readonly string[];
}

/** Reads the results of the heavy tests of a workspace; undefined where their run left none. */
export function readFullResults(directory: string): FullResults | undefined {
  const file = join(directory, fullResultsFile);
  if (!existsSync(file)) return undefined;
  const report = readJson(file) as VitestReport;
  const skipped = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed'),
  );
  const groups = skipped.map(({ ancestorTitles, title }) => ancestorTitles[0] ?? title);
  return { ...countTests(report), skippedGroups: [...new Set(groups)] };
}

function listFailures(report: VitestReport, directory: string): readonly string[] {
  return report.testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, message, assertionResults }) => {
      const file = relative(directory, name);
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      if (failed.length === 0) return [`${file}: ${firstLine(message)}`];
      return failed.map(({ ancestorTitles, title, failureMessages }) => {
        const path = [...ancestorTitles, title].join(' > ');
        return `${file}: ${path}: ${firstLine(failureMessages[0] ?? '')}`;
      });
    });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function countTests(report: VitestReport): TestTotals {
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Adds up totals. */
export function addTotals(totals: readonly TestTotals[]): TestTotals {
  const sum = (name: keyof TestTotals): number => totals.reduce((rest, each) => rest + each[name], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** Writes totals as the line that a run ends with. */
export function formatTotals({ passed, failed, skipped }: TestTotals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

interface Manifest {
  readonly name: string;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Describes the part of Vitest's JSON report that is read here. */
interface VitestReport {
  readonly startTime: number;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly title: string;
      readonly ancestorTitles: readonly string[];
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
