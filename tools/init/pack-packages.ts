/** Packs the packages of this repository as npm would publish them. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Packs every package, which must be built, into a folder. Returns the path of each tarball by the name of the package. */
export function packPackages(root: string, folder: string): ReadonlyMap<string, string> {
  const tarballs = new Map<string, string>();
  for (const file of globSync('packages/*/package.json', { cwd: root })) {
    const directory = join(root, dirname(file));
    const { name } = readManifest(directory);
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const packed = JSON.parse(output) as unknown;
    const [entry] = Array.isArray(packed) ? packed : Object.values(packed as object);
    const { filename } = entry as { readonly filename: string };
    tarballs.set(name, resolve(folder, filename.replace(/^@/, '').replace('/', '-')));
  }
  return tarballs;
}

/** Lists packages of ours with all packages of ours that they need, so that npm takes none of them from a registry. */
export function listWithDependencies(root: string, names: readonly string[]): ReadonlySet<string> {
  const directories = new Map(
    globSync('packages/*/package.json', { cwd: root }).map((file) => {
      const directory = join(root, dirname(file));
      return [readManifest(directory).name, directory] as const;
    }),
  );
  const wanted = new Set(names);
  for (const name of wanted) {
    const { dependencies = {} } = readManifest(directories.get(name)!);
    for (const each of Object.keys(dependencies)) if (directories.has(each)) wanted.add(each);
  }
  return wanted;
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}
