/** Finds what is installed for a project, as Node would: in the nearest `node_modules` upwards. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Manifest } from './manifest.ts';

/** A package that is installed. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** The folder with its package.json, with symbolic links resolved. */
  readonly directory: string;
  readonly manifest: Manifest;
}

/** Returns the package that an import of `name` from a file in `directory` reaches, or undefined when none is installed. */
export function findPackage(name: string, directory: string): InstalledPackage | undefined {
  for (let folder = directory; ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules', name, 'package.json');
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
      return { name, version: manifest.version ?? '0.0.0', directory: realpathSync(dirname(file)), manifest };
    }
    if (dirname(folder) === folder) return undefined;
  }
}
