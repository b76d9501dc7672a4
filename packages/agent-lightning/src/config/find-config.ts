import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';

/** The names of a config file, in the order in which they are looked for. */
export const configNames: readonly string[] = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'].map(
  (ending) => `lightning.config.${ending}`,
);

/**
 * Returns the absolute path of the config file of a directory.
 * @param given the path that the user names; relative to the directory
 * @throws {ConfigurationError} `option-invalid` when there is none, and when there is more than one
 */
export function findConfig(directory: string, given?: string): string {
  if (given !== undefined) {
    const path = resolve(directory, given);
    if (existsSync(path)) return path;
    throw new ConfigurationError(`--config: there is no file ${path}`, { code: 'option-invalid' });
  }
  const found = configNames.map((name) => join(directory, name)).filter((path) => existsSync(path));
  if (found.length === 1) return found[0]!;
  throw new ConfigurationError(
    found.length === 0
      ? `there is no lightning.config.ts (or .js, .mjs, .cjs, .mts, .cts) in ${directory}: let \`npx agent-lightning init\` write one for the agent of a project, write one that exports defineConfig({ rollout, train }), go to the directory that has it, or name it by --config`
      : `there are several config files: ${found.join(', ')}; keep one, or name it by --config`,
    { code: 'option-invalid' },
  );
}
