/** Packs the packages of this repository as npm would publish them. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Packs packages, which must be built, into a folder. Returns the path of each tarball by the name of the package. */
export function packPackages(root: string, folder: string, names: Iterable<string>): ReadonlyMap<string, string> {
  const workspaces = [...names].flatMap((name) => ['--workspace', name]);
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder, ...workspaces], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const packed = Object.values(JSON.parse(output) as Readonly<Record<string, PackedFile>>);
  return new Map(
    packed.map(({ name, filename }) => [name, resolve(folder, filename.replace(/^@/, '').replace('/', '-'))]),
  );
}

/** The part of what npm says about a tarball that is read. */
interface PackedFile {
  readonly name: string;
  readonly filename: string;
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
