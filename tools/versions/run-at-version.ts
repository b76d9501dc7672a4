import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { readResults } from '../test-totals.ts';
import { chooseCompanion, chooseEnd, type Published, type VersionEnd } from './choose-versions.ts';

export type { VersionEnd } from './choose-versions.ts';
export const versionEnds: readonly VersionEnd[] = ['lowest', 'newest'];

/** Holds what an adapter's contract suite came to with one version of its framework. */
export interface VersionResult {
  readonly adapter: string;
  /** The framework's version. */
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  /** Names every package that was installed for the run, with its version. */
  readonly installed: Readonly<Record<string, string>>;
  /** Says why the suite could not run. */
  readonly error?: string;
}

export interface VersionRun {
  /** The folder of this repository. */
  readonly root: string;
  readonly adapter: string;
  readonly end: VersionEnd;
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly nx?: { readonly tags?: readonly string[] };
}

const scope = '@agent-lightning/';
const contract = join('test', 'contract.test.ts');

/** Lists the adapters of the repository, by the names of their folders. */
export function listAdapters(root: string): readonly string[] {
  return globSync('packages/*/package.json', { cwd: root })
    .filter((path) => readManifest(join(root, path)).nx?.tags?.includes('layer:adapter') === true)
    .map((path) => basename(dirname(path)))
    .toSorted();
}

/** Installs an adapter's framework in a folder of its own and runs the contract suite there; a run that cannot be made counts as one failed test. */
export async function runAtVersion(run: VersionRun): Promise<VersionResult> {
  const { root, adapter, end } = run;
  const folder = mkdtempSync(join(tmpdir(), `${adapter}-${end}-`));
  let installed: Readonly<Record<string, string>> = {};
  const version = (): string => installed[frameworkOf(run)] ?? end;
  try {
    installed = chooseAll(run);
    installAdapter(run, folder, installed);
    const { passed, failed } = runContract(root, folder);
    return { adapter, version: version(), passed, failed, installed };
  } catch (error) {
    return { adapter, version: version(), passed: 0, failed: 1, installed, error: (error as Error).message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the package that an adapter is for: of several peers the one that is named like the adapter. */
function frameworkOf({ root, adapter }: VersionRun): string {
  const peers = Object.keys(manifestOf(root, adapter).peerDependencies ?? {});
  return peers.find((name) => name.includes(adapter)) ?? peers[0] ?? adapter;
}

/** Chooses the versions of the peers, then of the packages that the suite and the adapter import besides. */
function chooseAll({ root, adapter, end }: VersionRun): Readonly<Record<string, string>> {
  const { dependencies = {}, devDependencies = {}, peerDependencies = {} } = manifestOf(root, adapter);
  const pinned: Record<string, string> = {};
  for (const [name, range] of Object.entries(peerDependencies)) {
    const version = chooseEnd(
      publishedOf(name, range).map((each) => each.version),
      range,
      end,
    );
    if (version === undefined) throw new Error(`npm has no version of ${name} in the range ${range}`);
    pinned[name] = version;
  }
  const companions = Object.entries({ ...devDependencies, ...dependencies }).filter(
    ([name]) =>
      !name.startsWith(scope) && pinned[name] === undefined && isImported(join(root, 'packages', adapter), name),
  );
  for (const [name, preferred] of companions) {
    const version = chooseCompanion(publishedOf(name), preferred, pinned);
    if (version === undefined) throw new Error(`no version of ${name} goes with ${JSON.stringify(pinned)}`);
    pinned[name] = version;
  }
  return pinned;
}

/** Tells whether the adapter, its contract suite or the fixtures import a package. */
function isImported(directory: string, name: string): boolean {
  const files = globSync(['src/*.ts', contract, 'test/__fixtures__/*.ts'], { cwd: directory });
  return files.some((file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    return text.includes(`'${name}'`) || text.includes(`'${name}/`);
  });
}

/** Returns the versions that npm has of a package in a range. */
function publishedOf(name: string, range = '>=0'): readonly Published[] {
  // With the name, which each version has: of versions whose first one has a version alone, npm gives no peers of any.
  const text = run('npm', ['view', `${name}@${range}`, 'name', 'version', 'peerDependencies', '--json'], tmpdir());
  const found = JSON.parse(text) as Published | readonly Published[];
  return Array.isArray(found) ? (found as readonly Published[]) : [found as Published];
}

/** Lays the adapter's sources beside a fresh install of the framework; our other packages and the test runner are those of this repository. */
function installAdapter(
  { root, adapter }: VersionRun,
  folder: string,
  versions: Readonly<Record<string, string>>,
): void {
  const directory = join(root, 'packages', adapter);
  const { peerDependencies: _peers, devDependencies: _development, ...manifest } = manifestOf(root, adapter);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: versions }));
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock'], folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  for (const part of ['src', 'test']) cpSync(join(directory, part), join(folder, part), { recursive: true });
  mkdirSync(join(folder, 'node_modules', scope), { recursive: true });
  for (const path of globSync('packages/*/package.json', { cwd: root })) {
    const own = dirname(path);
    if (basename(own) !== adapter) symlinkSync(join(root, own), join(folder, 'node_modules', scope, basename(own)));
  }
  const runner = join(folder, 'node_modules', 'vitest');
  if (!existsSync(runner)) symlinkSync(join(root, 'node_modules', 'vitest'), runner);
}

function runContract(root: string, folder: string): { readonly passed: number; readonly failed: number } {
  const args = ['vitest', 'run', '--config', join(root, 'vitest.config.ts'), '--root', folder, contract];
  // Standard output is for the results.
  spawnSync('npx', args, { cwd: root, stdio: ['ignore', 2, 2] });
  const results = readResults({ name: folder, directory: folder, mayBeEmpty: false }, 0);
  if (results === undefined) throw new Error('the suite left no results');
  const { passed, failed } = results;
  if (passed + failed === 0) throw new Error('the suite ran no test');
  return { passed, failed };
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.slice(-2_000)}`);
}

function manifestOf(root: string, adapter: string): Manifest {
  return readManifest(join(root, 'packages', adapter, 'package.json'));
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}
