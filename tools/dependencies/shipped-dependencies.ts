/** The parts of package-lock.json that are read here. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

export interface LockEntry {
  /** The name, for a package of this repository only. */
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  /** True for a package that only development needs, and for one that is there as somebody's peer. */
  readonly dev?: boolean;
  readonly peer?: boolean;
}

/** A package of somebody else that comes with one of ours. */
export interface ShippedDependency {
  readonly name: string;
  readonly version: string;
  /** The SPDX expression that its package.json gives. */
  readonly license: string | undefined;
  readonly hasInstallScript: boolean;
  /** Names the package that asks for it. */
  readonly askedBy: string;
}

/**
 * Lists what comes with an install of the packages in these folders: their dependencies and those of these, without the frameworks
 * (peer dependencies) and what only development needs.
 * @throws {TypeError} when the lock file lacks one
 */
export function listShippedDependencies(lock: LockFile, folders: readonly string[]): readonly ShippedDependency[] {
  const foreign = [...walkShipped(lock, folders)].filter(([, { isOurs }]) => !isOurs);
  return foreign
    .map(([path, { name, askedBy }]) => describe(name, lock.packages[path]!, askedBy))
    .toSorted((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}

/**
 * Lists the entries of the lock file for these packages and for all that comes with them.
 * @throws {TypeError} when the lock file lacks one
 */
export function listShippedPaths(lock: LockFile, folders: readonly string[]): readonly string[] {
  return [...walkShipped(lock, folders).keys()];
}

interface Shipped {
  readonly name: string;
  readonly askedBy: string;
  readonly isOurs: boolean;
}

/** Returns every entry that is reached from these folders, by its path in the lock file. */
function walkShipped(lock: LockFile, folders: readonly string[]): ReadonlyMap<string, Shipped> {
  const found = new Map<string, Shipped>(folders.map((path) => [path, { name: path, askedBy: path, isOurs: true }]));
  for (const [from, { name: askedBy }] of found) {
    const entry = lock.packages[from];
    if (entry === undefined) throw new TypeError(`package-lock.json has no ${from}; run npm install`);
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      const path = resolve(lock, from, name);
      if (path === undefined && name in (entry.optionalDependencies ?? {})) continue;
      if (path === undefined) throw new TypeError(`package-lock.json has no ${name}, which ${askedBy} needs`);
      const { link = false, resolved } = lock.packages[path]!;
      const target = link ? resolved! : path;
      if (!found.has(target)) found.set(target, { name, askedBy, isOurs: link });
    }
  }
  return found;
}

/** Returns where a package at `from` finds a dependency, as Node looks for it: in its own folder, then further up. */
function resolve(lock: LockFile, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (lock.packages[path] !== undefined) return path;
    if (folder === '') return undefined;
  }
}

function describe(name: string, entry: LockEntry, askedBy: string): ShippedDependency {
  const { version = '', license, hasInstallScript = false } = entry;
  return { name, version, license, hasInstallScript, askedBy };
}
