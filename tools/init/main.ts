/**
 * Sets up eight existing projects, four frameworks with ES modules and with CommonJS, with the packed packages, and runs `agent-lightning dev` in
 * each at once, on a model server of this machine. The packages must be built; npm gets the frameworks.
 *
 *     npm run test:init                          (all)
 *     npm run test:init -- --only mastra-esm     (one; repeat it for more)
 *     npm run test:init -- --json                (the last line is one JSON object)
 */
import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startProvider } from '../zoo/provider/start-provider.ts';
import { checkProject, type ProjectResult } from './check-project.ts';
import { packPackages } from '../packed/pack-packages.ts';
import { listWithDependencies } from './list-with-dependencies.ts';

const root = join(import.meta.dirname, '../..');
const fixtures = join(import.meta.dirname, 'fixtures');
const names = globSync('*', { cwd: fixtures }).toSorted();

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] } },
});
const unknown = values.only.find((name) => !names.includes(name));
if (unknown === undefined) process.exitCode = await main(values.only.length === 0 ? names : values.only);
else {
  console.error(`test:init: there is no project ${unknown}; --only takes ${names.join(', ')}`);
  process.exitCode = 2;
}

async function main(projects: readonly string[]): Promise<number> {
  const sandbox = mkdtempSync(join(tmpdir(), 'init-'));
  const provider = await startProvider({});
  try {
    mkdirSync(join(sandbox, 'tarballs'));
    const packed = await packPackages(root, join(sandbox, 'tarballs'));
    const results: ProjectResult[] = [];
    for (const name of projects) {
      const wanted = listWithDependencies(root, ['agent-lightning', findAdapter(name)]);
      const tarballs = packed.filter(({ manifest }) => wanted.has(manifest.name)).map(({ tarball }) => tarball);
      const folder = join(sandbox, name);
      const result = await checkProject({ source: join(fixtures, name), name, folder, tarballs, provider });
      results.push(result);
      console.log(`${name}: ${result.problems.length === 0 ? 'ready, and unchanged by a second init' : 'falls short'}`);
      for (const problem of result.problems) console.error(`  ${problem}`);
      rmSync(folder, { recursive: true, force: true });
    }
    return conclude(results);
  } finally {
    await provider.close();
    rmSync(sandbox, { recursive: true, force: true });
  }
}

function findAdapter(project: string): string {
  return `@agent-lightning/${project.replace(/-(?:esm|cjs)$/, '')}`;
}

function conclude(results: readonly ProjectResult[]): number {
  const ready = results.filter(({ isReady }) => isReady).length;
  const unchanged = results.filter(({ isUnchanged }) => isUnchanged).length;
  const ok = results.length > 0 && ready === results.length && unchanged === results.length;
  if (values.json) console.log(JSON.stringify({ projects: results.length, ready, unchanged, ok }));
  else console.log(`${ready} of ${results.length} projects ready, ${unchanged} unchanged by a second init`);
  return ok ? 0 : 1;
}
