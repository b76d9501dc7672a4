import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNpm } from './run-npm.ts';

/** The size of an install. */
export interface InstallSize {
  /** Megabytes (1,000,000 bytes) of the files in node_modules. */
  readonly megabytes: number;
  /** The heaviest packages first. */
  readonly packages: readonly { readonly name: string; readonly megabytes: number }[];
}

/** Installs packages in an empty folder, without their peer dependencies, which are the frameworks, and measures what lies there. */
export async function measureInstall(names: readonly string[], folder: string, registry: string): Promise<InstallSize> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const flags = ['--omit=peer', '--no-audit', '--no-fund', '--silent', `--registry=${registry}`];
  await runNpm(['install', ...flags, ...names], folder);
  const packages = listInstalled(join(folder, 'node_modules'))
    .map(({ name, directory }) => ({ name, megabytes: sizeOf(directory) / 1e6 }))
    .toSorted((a, b) => b.megabytes - a.megabytes);
  return { megabytes: packages.reduce((sum, { megabytes }) => sum + megabytes, 0), packages };
}

function listInstalled(modules: string): { readonly name: string; readonly directory: string }[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => {
      const directory = join(modules, name);
      if (!name.startsWith('@')) return [{ name, directory }];
      return readdirSync(directory).map((inner) => ({ name: `${name}/${inner}`, directory: join(directory, inner) }));
    });
}

function sizeOf(path: string): number {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
