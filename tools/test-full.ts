/**
 * Runs what is too heavy for `npm test`, one part after the other, whichever fail, and ends with a table of verdicts.
 *
 *     npm run test:full                         (all parts)
 *     npm run test:full -- --only chaos-sqlite  (one; repeat it for more)
 *     npm run test:full -- --list
 *     npm run test:full -- --json               (the last line is one JSON object)
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from './format-table.ts';
import { listFullParts, type FullPart } from './full-parts.ts';
import { fullResultsFile, readFullResults } from './test-totals.ts';

type Verdict = 'passed' | 'failed' | 'skipped';

interface PartResult {
  readonly part: string;
  readonly verdict: Verdict;
  /** Says why it failed or was skipped, or how much of it ran. */
  readonly detail: string;
  readonly minutes: number;
}

const help = `npm run test:full -- [--only PART]... [--list] [--json]

Runs what is too heavy for npm test, one part after the other, and goes on when one fails.
  --only PART  run this part; may be given several times
  --list       name the parts, and run none
  --json       end with one line of JSON: {"passed":N,"failed":N,"skipped":N,"parts":[{"part","verdict","detail","minutes"}]}

The exit code is 1 when a part failed, 2 when the options are wrong, and 0 otherwise.`;

const root = join(import.meta.dirname, '..');
main();

function main(): void {
  const parts = listFullParts(root);
  const options = readOptions(parts);
  if (options === undefined) return void (process.exitCode = 2);
  if (options.help) return console.log(help);
  if (options.list)
    return console.log(
      formatTable(
        ['part', ''],
        parts.map(({ name, title }) => [name, title]),
      ),
    );
  const chosen = options.only.length === 0 ? parts : parts.filter(({ name }) => options.only.includes(name));
  const results = chosen.map(runPart);
  const rows = results.map(({ part, verdict, minutes, detail }) => [part, verdict, minutes.toFixed(1), detail]);
  console.log(`\n${formatTable(['part', 'verdict', 'minutes', 'detail'], rows)}`);
  const count = (verdict: Verdict): number => results.filter((result) => result.verdict === verdict).length;
  const totals = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  if (options.json) console.log(JSON.stringify({ ...totals, parts: results }));
  else console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
}

interface Options {
  readonly only: readonly string[];
  readonly list: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** Reads the command line; undefined, with the reason printed, where it asks for what there is not. */
function readOptions(parts: readonly FullPart[]): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((name) => parts.every((part) => part.name !== name));
    if (unknown === undefined) return values;
    console.error(`test:full: there is no part ${unknown}; --only takes ${parts.map(({ name }) => name).join(', ')}`);
  } catch (error) {
    console.error(`test:full: ${(error as Error).message}; see --help`);
  }
  return undefined;
}

function runPart(part: FullPart): PartResult {
  console.log(`\n== ${part.name}: ${part.title}`);
  const startedAtMs = Date.now();
  const { verdict, detail } = judge(part);
  return { part: part.name, verdict, detail, minutes: Math.round((Date.now() - startedAtMs) / 600) / 100 };
}

/** Runs a part's commands until one fails. A part of tests is skipped when all of them were. */
function judge({ commands, directory }: FullPart): Pick<PartResult, 'verdict' | 'detail'> {
  if (directory !== undefined) rmSync(join(directory, fullResultsFile), { force: true });
  for (const [command, ...args] of commands) {
    const { status, signal, error } = spawnSync(command, args, {
      cwd: directory ?? root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status !== 0)
      return {
        verdict: 'failed',
        detail: `${command} ${args.join(' ')}: ${error?.message ?? signal ?? `exit code ${status}`}`,
      };
  }
  if (directory === undefined) return { verdict: 'passed', detail: '' };
  const totals = readFullResults(directory);
  if (totals === undefined) return { verdict: 'failed', detail: 'the tests left no results' };
  const reasons = totals.skipped === 0 ? '' : `, ${totals.skipped} skipped: ${totals.skippedGroups.join('; ')}`;
  const detail = `${totals.passed} tests passed${reasons}`;
  if (totals.failed > 0) return { verdict: 'failed', detail: `${totals.failed} tests failed` };
  return { verdict: totals.passed > 0 ? 'passed' : 'skipped', detail };
}
