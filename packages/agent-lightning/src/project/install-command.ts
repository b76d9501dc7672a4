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
