import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { askNext } from './ask-next.ts';
import { judgeApp, judgeServer } from './judge.ts';
import type { Place } from './place.ts';
import { planApp, planNext, planVercel, type Compiler } from './project.ts';
import { readLastLine, runProgram } from './run-program.ts';

/** One way of using the packages. */
export interface Cell {
  readonly name: string;
  /** Does it; rejects when the product does not do there what it does elsewhere. */
  readonly check: (place: Place) => Promise<void>;
}

const types = { esm: 'module', cjs: 'commonjs' } as const;
type System = keyof typeof types;

/** Lists every cell: module systems by compilers by versions of Node, bundles, a route of Next.js, a function of Vercel. */
export function listCells(nodes: readonly string[]): readonly Cell[] {
  const systems = ['esm', 'cjs'] as const;
  const apps = systems.flatMap((system) =>
    (['5.9', 'newest'] as const).flatMap((compiler) => nodes.map((node) => appCell(system, compiler, node))),
  );
  return [
    ...apps,
    ...systems.map(bundleCell),
    { name: 'next', check: checkNext },
    { name: 'vercel', check: checkVercel },
  ];
}

function appCell(system: System, compiler: Compiler, version: string): Cell {
  return {
    name: `${system}/typescript-${compiler}/node-${version}`,
    check: async (place) => {
      const compiled = await place.compile(types[system], compiler);
      const [node, cwd] = [await place.node(version), place.emptyFolder()];
      const output = await runProgram({ node, args: [join(compiled, 'main.js')], cwd, baseUrl: place.baseUrl });
      judgeApp(output, version, true);
    },
  };
}

/** Packages that are CommonJS call `require`, which an ES module does not have. */
const banner =
  "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);";

/** Bundles the server of the app into one file by esbuild, and runs that file where no package is. */
function bundleCell(system: System): Cell {
  const format = system;
  return {
    name: `esbuild-${system}`,
    check: async (place) => {
      const folder = await place.project(planApp(types[system]));
      const cwd = place.emptyFolder();
      const outfile = join(cwd, format === 'esm' ? 'serve.mjs' : 'serve.cjs');
      const options = { bundle: true, format, platform: 'node', logLevel: 'error' } as const;
      await build({
        ...options,
        entryPoints: [join(folder, 'serve.ts')],
        outfile,
        ...(format === 'esm' && { banner: { js: banner } }),
      });
      const output = await runProgram({ args: [outfile], cwd, baseUrl: place.baseUrl });
      judgeApp(output, process.versions.node, false);
    },
  };
}

async function checkNext(place: Place): Promise<void> {
  const folder = await place.project(planNext());
  const { answered, rollouts } = await askNext(folder, place.baseUrl);
  judgeServer(answered, rollouts);
}

/** Builds a function by Vercel's own builder, and calls it where only the files are that the builder chose. */
async function checkVercel(place: Place): Promise<void> {
  const folder = await place.project(planVercel());
  const { baseUrl } = place;
  await runProgram({ args: ['build-function.mjs'], cwd: folder, baseUrl });
  const cwd = place.emptyFolder();
  cpSync(join(folder, 'function'), join(cwd, 'function'), { recursive: true });
  copyFileSync(join(folder, 'call-function.mjs'), join(cwd, 'call-function.mjs'));
  const output = await runProgram({ args: ['call-function.mjs', 'function'], cwd, baseUrl });
  const { recorded, ...answered } = readLastLine(output) as { readonly recorded: unknown };
  judgeServer(answered, recorded);
}
