/**
 * Checks the rules of the house that a compiler does not: which layer may import which, package roots only, folders of a
 * package in one direction, no `export *`, no bare `Error`. Fails closed: an unknown layer, an undeclared dependency or an empty workspace is a failure.
 *
 *     node tools/check-layers.ts [workspace root]
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** For each layer, the layers that its sources may import. Nothing imports sideways. */
const allowedImports: Readonly<Record<string, readonly string[]>> = {
  core: [],
  platform: ['core'],
  text: ['core'],
  store: ['core'],
  database: ['core', 'platform', 'store'],
  tracing: ['core', 'store'],
  observability: ['core', 'platform'],
  runner: ['core', 'platform', 'store', 'tracing', 'observability'],
  service: ['core', 'platform', 'text', 'store', 'tracing'],
  adapter: ['core', 'tracing'],
  backend: ['core', 'platform', 'text'],
  run: ['core', 'platform', 'store', 'database', 'observability', 'runner', 'service'],
  report: ['core', 'run'],
  ui: ['core', 'text', 'store', 'database', 'run', 'report'],
  trainer: ['core', 'platform', 'tracing', 'observability', 'runner', 'backend', 'run', 'report', 'ui'],
  testing: ['core', 'store', 'tracing', 'runner'],
  regression: ['core', 'platform', 'store', 'database', 'runner', 'service'],
  app: [
    'core',
    'platform',
    'text',
    'store',
    'database',
    'tracing',
    'observability',
    'runner',
    'service',
    'backend',
    'run',
    'report',
    'ui',
    'trainer',
  ],
  kit: ['core', 'platform', 'text', 'service', 'backend', 'run', 'trainer'],
  example: [
    'core',
    'text',
    'store',
    'database',
    'tracing',
    'runner',
    'service',
    'adapter',
    'backend',
    'trainer',
    'testing',
    'kit',
  ],
  tool: [
    'core',
    'platform',
    'text',
    'store',
    'database',
    'tracing',
    'runner',
    'service',
    'adapter',
    'backend',
    'run',
    'ui',
    'trainer',
    'testing',
    'app',
  ],
};

/** Imports within a layer that are allowed by name: the worker speaks the protocol that `tinker` is the client of. */
const allowedSideways: Readonly<Record<string, readonly string[]>> = {
  '@agent-lightning/gpu': ['@agent-lightning/tinker'],
};

/** Folders of other packages that a private workspace may reach into: the learning bench trains its smallest agents by the trainer's own updates, which have no public name; the chaos of servers has the proxy of the server's tests. */
const allowedInside: Readonly<Record<string, readonly string[]>> = {
  tools: ['packages/trainer/src/grpo/step/', 'packages/server/test/tcp-proxy.ts'],
};

/** Folders that count as one, because they import each other. */
const allowedCircles: Readonly<Record<string, readonly string[]>> = {
  // Its worker threads run the code of the model, and the model's code calls the threads.
  '@agent-lightning/embedded': ['kernels', 'model', 'sampling', 'threads', 'training'],
};

interface Manifest {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly nx?: { readonly tags?: readonly string[] };
}

interface Workspace {
  readonly name: string;
  readonly directory: string;
  readonly layer: string;
  readonly dependencies: ReadonlySet<string>;
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

function readWorkspaces(root: string, problems: string[]): Workspace[] {
  const patterns = readManifest(root).workspaces ?? [];
  const directories = globSync([...patterns], { cwd: root }).filter((path) =>
    existsSync(join(root, path, 'package.json')),
  );
  return directories.map((directory) => {
    const manifest = readManifest(join(root, directory));
    const layers = (manifest.nx?.tags ?? []).filter((tag) => tag.startsWith('layer:')).map((tag) => tag.slice(6));
    const layer = layers[0] ?? '';
    if (layers.length !== 1 || !(layer in allowedImports)) {
      problems.push(
        `${directory}/package.json: nx.tags needs exactly one known "layer:…" tag, has [${layers.join(', ')}]`,
      );
    }
    const dependencies = new Set([
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.peerDependencies ?? {}),
    ]);
    return { name: manifest.name, directory, layer, dependencies };
  });
}

const importPattern = /(?:\bfrom\s+|\bimport\s*\(\s*|^\s*import\s+)['"]([^'"]+)['"]/gm;

function checkImport(
  specifier: string,
  file: string,
  from: Workspace,
  byName: ReadonlyMap<string, Workspace>,
): string | undefined {
  if (specifier.startsWith('.')) {
    const path = join(file, '..', specifier);
    if (allowedInside[from.name]?.some((folder) => path.startsWith(folder))) return undefined;
    return relative(from.directory, path).startsWith('..') ? `imports ${specifier}, outside its package` : undefined;
  }
  if (specifier.startsWith('node:')) return undefined;
  const packageName = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const target = byName.get(packageName);
  if (from.layer !== 'tool' && packageName !== from.name && !from.dependencies.has(packageName)) {
    return `imports ${packageName}, which its package.json does not declare`;
  }
  if (target === undefined) return undefined;
  if (specifier !== packageName) return `imports ${specifier}: only package roots may be imported`;
  const isAllowed =
    allowedImports[from.layer]?.includes(target.layer) || allowedSideways[from.name]?.includes(target.name);
  if (target !== from && !isAllowed) {
    return `imports ${packageName}: layer "${from.layer}" may not import layer "${target.layer}"`;
  }
  return undefined;
}

function checkFile(file: string, root: string, from: Workspace, byName: ReadonlyMap<string, Workspace>): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  const problems = [...source.matchAll(importPattern)].flatMap(
    (match) => checkImport(match[1]!, file, from, byName) ?? [],
  );
  if (/^\s*export \*/m.test(source)) problems.push('has "export *": name what is exported');
  if (file.startsWith('packages/') && /\bnew Error\(/.test(source))
    problems.push('has a bare "new Error": throw the error class of its boundary');
  return problems.map((problem) => `${file}: ${problem}`);
}

/** For each folder of a package's `src`, and each file beside them, what it imports of the others and where. */
type FolderGraph = ReadonlyMap<string, ReadonlyMap<string, string>>;

function readFolders(sources: readonly string[], root: string, { directory, name }: Workspace): FolderGraph {
  const base = join(root, directory, 'src');
  const folderOf = (path: string): string => {
    const folder = relative(base, path).split('/')[0]!;
    return allowedCircles[name]?.includes(folder) === true ? allowedCircles[name].join(' and ') : folder;
  };
  const graph = new Map<string, Map<string, string>>();
  for (const file of [...sources].sort()) {
    const path = join(root, file);
    const folder = folderOf(path);
    const imports = graph.get(folder) ?? new Map<string, string>();
    graph.set(folder, imports);
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(importPattern)) {
      const target = specifier!.startsWith('.') ? folderOf(join(path, '..', specifier!)) : folder;
      if (target !== folder) imports.set(target, relative(base, path));
    }
  }
  return graph;
}

/** Returns the way along imports from the end of `way` to its start, or undefined when there is none. */
function findWayBack(graph: FolderGraph, way: readonly string[], seen: Set<string> = new Set()): string[] | undefined {
  for (const folder of graph.get(way.at(-1)!)?.keys() ?? []) {
    if (folder === way[0]) return [...way, folder];
    if (seen.has(folder)) continue;
    seen.add(folder);
    const wayBack = findWayBack(graph, [...way, folder], seen);
    if (wayBack !== undefined) return wayBack;
  }
  return undefined;
}

function checkFolders(sources: readonly string[], root: string, from: Workspace): string[] {
  const graph = readFolders(sources, root, from);
  const folders = [...graph.keys()].filter((folder) => !folder.endsWith('.ts'));
  const circle = folders.map((folder) => findWayBack(graph, [folder])).find((way) => way !== undefined);
  if (circle === undefined) return [];
  const steps = circle.slice(1).map((folder, index) => `${graph.get(circle[index]!)?.get(folder)} imports ${folder}`);
  return [`${from.directory}: its folders import each other in a circle: ${steps.join(', ')}`];
}

/** Every broken rule in the workspace at `root`, one sentence each. */
export function checkLayers(root: string): string[] {
  const problems: string[] = [];
  const workspaces = readWorkspaces(root, problems);
  if (workspaces.length === 0) return [`${root}: no workspaces found, so nothing was checked`];
  const byName = new Map(workspaces.map((workspace) => [workspace.name, workspace]));
  for (const workspace of workspaces) {
    const isLibrary = workspace.directory.startsWith('packages/');
    const pattern = join(workspace.directory, isLibrary ? 'src/**/*.ts' : '**/*.ts');
    const files = globSync(pattern, { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] });
    const sources = files.filter((file) => !/\.test(-d)?\.ts$/.test(file));
    if (isLibrary && sources.length === 0) problems.push(`${workspace.directory}: has no sources to check`);
    for (const file of sources) problems.push(...checkFile(file, root, workspace, byName));
    if (isLibrary) problems.push(...checkFolders(sources, root, workspace));
  }
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkLayers(resolve(process.argv[2] ?? '.'));
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? 'layers: every import is allowed' : `layers: ${problems.length} problem(s)`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
