/** Resolves the model of a backend: a directory, or the name of the starter model, which a command puts on this machine. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { findCacheDirectory } from './cache-directory.ts';

/** The name that stands for the starter model, SmolLM2-135M-Instruct, in every backend. A directory of that name is given as `./smollm2`. */
export const starterModelName = 'smollm2';

/** The folder within the cache; its number changes with what the set-up makes. */
const folder = 'smollm2-135m-instruct-2';

/** Returns where the starter model is, or will be. */
export function findStarterModel(environment: NodeJS.ProcessEnv = process.env): string {
  return join(findCacheDirectory(environment), 'models', folder);
}

/** Tells whether the starter model is there. It appears whole or not at all. */
export function hasStarterModel(environment: NodeJS.ProcessEnv = process.env): boolean {
  return existsSync(join(findStarterModel(environment), 'config.json'));
}

/**
 * Returns the absolute path of a model's directory; `smollm2` is the starter model's. Other directories are not looked at.
 *
 * @param option names the option in the error, such as "gpu: model"
 * @throws {ConfigurationError} `option-invalid` when the starter model is not on this machine
 */
export function resolveModelDirectory(
  option: string,
  model: string,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  if (model !== starterModelName) return resolve(model);
  const directory = findStarterModel(environment);
  if (hasStarterModel(environment)) return directory;
  throw new ConfigurationError(
    `${option} is "${model}", the starter model, and it is not in ${directory}. Run \`npx agent-lightning-gpu setup-starter-model\` ` +
      '(in a checkout of the project: `npm run setup:starter-model`), which downloads 93 MB and takes a few minutes. ' +
      `For a directory of that name write "./${model}".`,
    { code: 'option-invalid' },
  );
}
