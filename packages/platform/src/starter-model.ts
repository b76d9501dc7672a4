/** Resolves the model of a backend: a directory, the name of the starter model, or the id of a model of the hub; commands put the latter two on this machine. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { findCacheDirectory } from './cache-directory.ts';
import { findHubModel, hasHubModel, parseHubModelId } from './hub-model.ts';

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
 * Returns the absolute path of a model's directory; `smollm2` is the starter model's, and `organization/name` is that of a model of the hub
 * that was downloaded, unless there is such a directory. Other directories are not looked at.
 *
 * @param option names the option in the error, such as "gpu: model"
 * @throws {ConfigurationError} `option-invalid` when the starter model is not on this machine
 */
export function resolveModelDirectory(
  option: string,
  model: string,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  if (model !== starterModelName) return resolveHubModel(option, model, environment);
  const directory = findStarterModel(environment);
  if (hasStarterModel(environment)) return directory;
  throw new ConfigurationError(
    `${option} is "${model}", the starter model, and it is not in ${directory}. Run \`npx agent-lightning download starter\` ` +
      '(with a backend alone: `npx -p @agent-lightning/gpu agent-lightning-gpu setup-starter-model`; in a checkout of the project: `npm run setup:starter-model`), which downloads 93 MB and takes a few minutes. ' +
      `For a directory of that name write "./${model}".`,
    { code: 'option-invalid' },
  );
}

function resolveHubModel(option: string, model: string, environment: NodeJS.ProcessEnv): string {
  const directory = resolve(model);
  const id = parseHubModelId(model);
  if (id === undefined || existsSync(directory)) return directory;
  if (hasHubModel(id, environment)) return findHubModel(id, environment);
  // Where the first folder is there, a path is meant, and who reads the directory says what is wrong with it.
  if (existsSync(resolve(model, '..'))) return directory;
  throw new ConfigurationError(
    `${option} is "${model}": there is no directory ${directory}, and no model of the hub by this id in ${findHubModel(id, environment)}. ` +
      `Run \`npx agent-lightning download ${model}\`, or give the path of a directory; one that is elsewhere, such as on a worker's machine, begins with / or ./.`,
    { code: 'option-invalid' },
  );
}
