import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runNpm } from '../packed/run-npm.ts';
import { listShippedPaths, type LockEntry, type LockFile } from './shipped-dependencies.ts';

/** A package in a bill of materials. */
export interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[];
}

/** The parts of a CycloneDX document that are read here. */
export interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * Returns a bill of materials (CycloneDX) of the packages in these folders, with all that comes with them: what package-lock.json has, with which they
 * were tested. npm makes it, of a lock file in which they are installed from the registry, without what only development needs.
 * @throws {Error} when npm finds a dependency missing or of a wrong version
 */
export async function makeSbom(lock: LockFile, folders: readonly string[]): Promise<Sbom> {
  const { root, packages } = installFromRegistry(lock, folders);
  const parent = mkdtempSync(join(tmpdir(), 'sbom-'));
  try {
    // npm calls what it lists by the name of the folder.
    const folder = join(parent, root.name);
    mkdirSync(folder);
    const lockFile = { name: root.name, version: root.version, lockfileVersion: 3, requires: true, packages };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(root));
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lockFile));
    return JSON.parse(await runNpm(['sbom', '--sbom-format=cyclonedx', '--package-lock-only'], folder)) as Sbom;
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

/** Rewrites the lock file of the workspace to one of an app that has installed the packages. */
function installFromRegistry(lock: LockFile, folders: readonly string[]) {
  const names = new Map(folders.map((path) => [path, nameOf(lock, path)]));
  const dependencies = Object.fromEntries([...names].map(([path, name]) => [name, lock.packages[path]!.version!]));
  const root = { name: 'agent-lightning-packages', version: '0.0.0', private: true, dependencies };
  const packages: Record<string, object> = { '': root };
  for (const path of listShippedPaths(lock, folders)) {
    const owner = folders.find((each) => path === each || path.startsWith(`${each}/`));
    const place = owner === undefined ? path : `node_modules/${names.get(owner)}${path.slice(owner.length)}`;
    packages[place] = asInstalled(lock.packages[path]!);
  }
  return { root, packages };
}

/** Returns the name of a package of this repository; the lock file leaves out one that is the folder's. */
function nameOf(lock: LockFile, path: string): string {
  return lock.packages[path]!.name ?? basename(path);
}

/** Returns an entry as it would be after an install. */
function asInstalled(entry: LockEntry): object {
  const { devDependencies: _tests, peerDependencies: _frameworks, dev: _dev, peer: _peer, ...installed } = entry;
  return installed;
}
