import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
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
