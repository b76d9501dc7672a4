import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runNpm } from './run-npm.ts';

/** Describes the parts of a package.json that a registry tells, besides the version's own. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
}

/** One package as npm would publish it. */
export interface PackedPackage {
  /** The folder of its sources. */
  readonly directory: string;
  readonly manifest: Manifest;
  /** The path of its tarball. */
  readonly tarball: string;
}

/** Lists the folders of the packages that are published. */
export function listPackageFolders(root: string): readonly string[] {
  const folders = globSync('packages/*/package.json', { cwd: root }).map((file) => join(root, dirname(file)));
  if (folders.length === 0) throw new TypeError(`${root} has no folders packages/*, so nothing can be packed`);
  return folders.toSorted();
}

/** Packs every package into one folder. Needs `npm run build` before. */
export async function packPackages(root: string, folder: string): Promise<readonly PackedPackage[]> {
  const directories = listPackageFolders(root);
  const unbuilt = directories.find((directory) => !existsSync(join(directory, 'dist')));
  if (unbuilt !== undefined) throw new TypeError(`${unbuilt} has no folder dist; run npm run build first`);
  const packages = directories.map((directory) => {
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
    const file = `${manifest.name.replace(/^@/, '').replace('/', '-')}-${manifest.version}.tgz`;
    return { directory, manifest, tarball: join(folder, file) };
  });
  const workspaces = packages.flatMap(({ manifest }) => ['-w', manifest.name]);
  await runNpm(['pack', '--silent', '--pack-destination', folder, ...workspaces], root);
  const missing = packages.find(({ tarball }) => !existsSync(tarball));
  if (missing !== undefined) throw new TypeError(`npm pack left no ${missing.tarball}`);
  return packages;
}
