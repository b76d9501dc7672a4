import type { PackageManager } from './read-project.ts';

const installWords: Readonly<Record<PackageManager, readonly string[]>> = {
  npm: ['npm', 'install', '--save-dev'],
  pnpm: ['pnpm', 'add', '--save-dev'],
  yarn: ['yarn', 'add', '--dev'],
  bun: ['bun', 'add', '--dev'],
};

/** Returns the words of the command that adds packages to the development dependencies of a project. */
export function installCommand(manager: PackageManager, packages: readonly string[]): readonly string[] {
  return [...installWords[manager], ...packages];
}

/** Returns the command line that puts another version of a package in the place of the one that a project has, among whichever dependencies it is. */
export function changeCommandLine(manager: PackageManager, name: string, range: string): string {
  return `${manager} ${manager === 'npm' ? 'install' : 'add'} ${name}@"${range}"`;
}

/** Returns the command lines that leave one copy of a package where one is enough, and that say who wants which version of it. */
export function copyCommandLines(
  manager: PackageManager,
  name: string,
): { readonly merge: string; readonly explain: string } {
  return {
    merge: manager === 'bun' ? 'bun install' : `${manager} dedupe`,
    explain: `${manager} ${manager === 'npm' ? 'ls' : 'why'} ${name}`,
  };
}
