/**
 * Runs each adapter's contract suite against the lowest and the newest version of its framework that its peer range allows, each
 * freshly installed from npm into a temporary folder.
 *
 *     npm run test:versions                       (all adapters, both ends)
 *     npm run test:versions -- --only newest      (for a weekly run: it fails when a new version breaks an adapter)
 *     npm run test:versions -- --adapter mastra   (one; repeat it for more)
 *     npm run test:versions -- --json             (one line of JSON for each run, and one with all of them at the end)
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from './format-table.ts';
import {
  listAdapters,
  runAtVersion,
  versionEnds,
  type VersionEnd,
  type VersionResult,
} from './versions/run-at-version.ts';

const help = `npm run test:versions -- [--adapter NAME]... [--only lowest|newest] [--json]

Runs each adapter's contract suite against the lowest and the newest version that its peer range allows.
  --adapter NAME  test this adapter; may be given several times
  --only END      test the lowest or the newest version alone
  --json          print {"adapter","version","passed","failed"} for each run as it ends, and last {"results":[…]}

The exit code is 1 when a suite failed or could not be installed, 2 when the options are wrong, and 0 otherwise.`;

const root = join(import.meta.dirname, '..');
await main();

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return void (process.exitCode = 2);
  if (options.help) return console.log(help);
  const results: VersionResult[] = [];
  for (const adapter of options.adapters) {
    for (const end of options.ends) {
      console.error(`\n== ${adapter}, ${end}`);
      const result = await runAtVersion({ root, adapter, end });
      results.push(result);
      if (options.json) console.log(JSON.stringify(result));
    }
  }
  if (options.json) console.log(JSON.stringify({ results }));
  else console.log(`\n${formatTable(['adapter', 'version', 'passed', 'failed', ''], results.map(toRow))}`);
  process.exitCode = results.every(({ failed }) => failed === 0) ? 0 : 1;
}

function toRow({ adapter, version, passed, failed, error }: VersionResult): string[] {
  return [adapter, version, String(passed), String(failed), error ?? ''];
}

interface Options {
  readonly adapters: readonly string[];
  readonly ends: readonly VersionEnd[];
  readonly json: boolean;
  readonly help: boolean;
}

/** Reads the command line; undefined, with the reason printed, where it asks for what there is not. */
function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        adapter: { type: 'string', multiple: true, default: [] },
        only: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const known = listAdapters(root);
    const unknown = values.adapter.find((name) => !known.includes(name));
    if (unknown !== undefined) return refuse(`there is no adapter ${unknown}; --adapter takes ${known.join(', ')}`);
    const ends = versionEnds.filter((end) => values.only === undefined || values.only === end);
    if (ends.length === 0) return refuse(`--only takes ${versionEnds.join(' or ')}; got ${values.only}`);
    const adapters = values.adapter.length === 0 ? known : values.adapter;
    return { adapters, ends, json: values.json, help: values.help };
  } catch (error) {
    return refuse(`${(error as Error).message}; see --help`);
  }
}

function refuse(problem: string): undefined {
  console.error(`test:versions: ${problem}`);
}
