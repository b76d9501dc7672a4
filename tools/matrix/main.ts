/**
 * Uses the packages as they would be published in every way that they promise, each for real: agents of four frameworks, rewards, stores, a gateway
 * and a training, in ES modules and CommonJS, from two compilers, on four versions of Node; bundled; in a route of Next.js; in a function of Vercel.
 * Needs `npm run build`, and the network for the compilers, frameworks and versions of Node.
 *
 *     npm run test:matrix -- [--only CELL]... [--list] [--json]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packPackages } from '../packed/pack-packages.ts';
import { servePackages } from '../packed/package-registry.ts';
import { runNpm } from '../packed/run-npm.ts';
import { startProvider } from '../zoo/provider/start-provider.ts';
import { listCells, type Cell } from './cells.ts';
import { listNodes, Place } from './place.ts';

const help = `npm run test:matrix -- [--only CELL]... [--list] [--json]

Uses the packed packages in fresh projects: module systems, compilers, versions of Node, bundlers, Next.js, Vercel.
  --only CELL  run this cell, or all whose names begin so, such as esm or cjs/typescript-5.9; may be given several times
  --list       name the cells, and run none
  --json       end with one line of JSON: {"cells":N,"failures":N,"failed":[CELL],"minutes":N,"ok":BOOLEAN}

The exit code is 1 when a cell fails, 2 when the options are wrong, and 0 otherwise.`;

const root = join(import.meta.dirname, '..', '..');
process.exitCode = await main();

async function main(): Promise<number> {
  const cells = listCells(listNodes(root));
  const options = readOptions(cells);
  if (options === undefined) return 2;
  if (options.help || options.list) {
    console.log(options.help ? help : cells.map(({ name }) => name).join('\n'));
    return 0;
  }
  const startedAtMs = Date.now();
  const isChosen = ({ name }: Cell): boolean =>
    options.only.length === 0 || options.only.some((start) => name.startsWith(start));
  const chosen = cells.filter(isChosen);
  const failed = await runCells(chosen);
  const minutes = Math.round((Date.now() - startedAtMs) / 6_000) / 10;
  const totals = { cells: chosen.length, failures: failed.length, failed, minutes, ok: failed.length === 0 };
  if (options.json) console.log(JSON.stringify(totals));
  else console.log(`${totals.cells - totals.failures} of ${totals.cells} cells pass`);
  return totals.ok ? 0 : 1;
}

function readOptions(cells: readonly Cell[]) {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((start) => !cells.some(({ name }) => name.startsWith(start)));
    if (unknown !== undefined) throw new TypeError(`no cell begins with ${unknown}; --list names them`);
    return values;
  } catch (error) {
    console.error(`test:matrix: ${(error as Error).message}\n\n${help}`);
    return undefined;
  }
}

/** Runs the cells one after the other, and returns the names of those that failed. */
async function runCells(cells: readonly Cell[]): Promise<readonly string[]> {
  const sandbox = mkdtempSync(join(tmpdir(), 'matrix-'));
  const provider = await startProvider({});
  try {
    mkdirSync(join(sandbox, 'tarballs'));
    const packages = await packPackages(root, join(sandbox, 'tarballs'));
    const published = await runNpm(['config', 'get', 'registry'], root);
    await using registry = await servePackages(packages, published.trim());
    const place = new Place({ sandbox, registry: registry.url, baseUrl: `${provider.origin}/own/v1` });
    const failed: string[] = [];
    for (const { name, check } of cells) {
      const startedAtMs = Date.now();
      const problem = await check(place).then(
        () => undefined,
        (error: Error) => error.message,
      );
      console.log(
        `${name}: ${problem === undefined ? 'passes' : 'fails'} (${Math.round((Date.now() - startedAtMs) / 1_000)} s)`,
      );
      if (problem === undefined) continue;
      failed.push(name);
      console.error(problem.replaceAll(/^/gm, '  '));
    }
    return failed;
  } finally {
    await provider.close();
    rmSync(sandbox, { recursive: true, force: true, maxRetries: 3 });
  }
}
