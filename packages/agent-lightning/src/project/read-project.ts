/** Reads what a project is: its package.json, its kind of modules, TypeScript or not, and its package manager. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { frameworks, type Framework } from './frameworks.ts';
import { listDependencies, type Manifest } from './manifest.ts';

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

export interface Project {
  /** The folder of package.json. */
  readonly directory: string;
  readonly manifest: Manifest;
  /** The text of package.json, for an edit that keeps its form. */
  readonly manifestText: string;
  readonly packageManager: PackageManager;
  /** True where imports of TypeScript files may end in `.ts`, by tsconfig.json. */
  readonly importsTypeScript: boolean;
  /** The frameworks that package.json depends on. */
  readonly frameworks: readonly Framework[];
}

/** Reads the project in a folder. @throws {ConfigurationError} `option-invalid` when the folder has no usable package.json */
export function readProject(directory: string): Project {
  const file = join(directory, 'package.json');
  const manifestText = readManifestText(file);
  const manifest = parseManifest(manifestText, file);
  const dependencies = listDependencies(manifest);
  return {
    directory,
    manifest,
    manifestText,
    packageManager: findPackageManager(directory, manifest),
    importsTypeScript: readsTypeScriptImports(join(directory, 'tsconfig.json')),
    frameworks: frameworks.filter(({ packages }) => packages.some((name) => dependencies.has(name))),
  };
}

function readManifestText(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8');
  throw new ConfigurationError(
    `There is no ${file}. Go to the folder of the project whose agent is to be trained, the one with package.json, and run the command there; a new project begins with \`npm init -y\`.`,
    { code: 'option-invalid' },
  );
}

function parseManifest(text: string, file: string): Manifest {
  try {
    return JSON.parse(text) as Manifest;
  } catch (cause) {
    throw new ConfigurationError(`${file} is not JSON: ${(cause as Error).message}. Correct it first.`, {
      code: 'option-invalid',
      cause,
    });
  }
}

const lockFiles: readonly (readonly [string, PackageManager])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
];

/** Returns the package manager that package.json names, else that of the nearest lock file upwards, else npm. */
function findPackageManager(directory: string, { packageManager }: Manifest): PackageManager {
  const named = /^(npm|pnpm|yarn|bun)@/.exec(packageManager ?? '')?.[1];
  if (named !== undefined) return named as PackageManager;
  for (let folder = directory; ; folder = dirname(folder)) {
    const found = lockFiles.find(([file]) => existsSync(join(folder, file)));
    if (found !== undefined) return found[1];
    if (dirname(folder) === folder) return 'npm';
  }
}

function readsTypeScriptImports(file: string): boolean {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return /"(?:allowImportingTsExtensions|rewriteRelativeImportExtensions)"\s*:\s*true/.test(text);
}
