/** The parts of package-lock.json that are read here. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

export interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
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
  const found = new Map<string, ShippedDependency>();
  const waiting = folders.map((path) => ({ path, name: path }));
  const seen = new Set<string>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next.path)) continue;
    seen.add(next.path);
    const entry = lock.packages[next.path];
    if (entry === undefined) throw new TypeError(`package-lock.json has no ${next.path}; run npm install`);
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      const path = resolve(lock, next.path, name);
      if (path === undefined && name in (entry.optionalDependencies ?? {})) continue;
      if (path === undefined) throw new TypeError(`package-lock.json has no ${name}, which ${next.name} needs`);
      const target = lock.packages[path]!;
      if (target.link !== true) found.set(path, describe(name, target, next.name));
      waiting.push({ path: target.link === true ? target.resolved! : path, name });
    }
  }
  return [...found.values()].toSorted((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
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
