/** Examines a machine and a project, and says what is wrong. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { findCacheDirectory } from '@agent-lightning/platform';
import { readProject } from '../project/read-project.ts';
import { checkCore, checkFrameworks } from './check-frameworks.ts';
import { checkGpu, checkVllm } from './check-gpu.ts';
import { checkKeys } from './check-keys.ts';
import { checkDisks, checkFolder, checkPort } from './check-machine.ts';
import { checkModel } from './check-model.ts';
import { checkNode } from './check-node.ts';
import { checkPython } from './check-python.ts';
import { note, type Finding } from './finding.ts';
import { readNeeds, type Needs } from './read-needs.ts';

export interface ExamineOptions {
  /** The folder of the project. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Models to check, beside those of the configuration. */
  readonly models: readonly string[];
  /** Ports that must be free, beside those of the configuration. */
  readonly ports: readonly number[];
  /** Requires a GPU and the worker's Python, whatever the configuration says. */
  readonly needsGpu: boolean;
  /** Asks no provider. */
  readonly isOffline: boolean;
  /** The folder of the runs. @default that of the configuration, else `runs` in the project */
  readonly runDirectory: string | undefined;
}

/** Runs every check, and returns what was found, in the order of the checks. */
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { directory, environment } = options;
  const needs = readNeeds(directory);
  const runs = resolve(directory, options.runDirectory ?? needs.runDirectory ?? 'runs');
  const cache = findCacheDirectory(environment);
  return [
    checkNode(),
    ...examineProject(directory),
    ...(await examineWorker(needs, options)),
    ...(await Promise.all([...new Set([...needs.ports, ...options.ports])].map(async (port) => await checkPort(port)))),
    ...(await checkDisks([runs, cache])),
    await checkFolder(runs, 'runs'),
    await checkFolder(cache, 'models and Python'),
    ...(await examineModels([...needs.models, ...options.models], options)),
    ...(options.isOffline ? [] : await checkKeys({ environment: { ...readVariables(directory), ...environment } })),
  ];
}

/** Returns the variables of the project's `.env`, which commands set where they are not set. */
function readVariables(directory: string): NodeJS.ProcessEnv {
  const file = join(directory, '.env');
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
}

function examineProject(directory: string): readonly Finding[] {
  if (!existsSync(join(directory, 'package.json')))
    return [
      note(
        'framework',
        `there is no package.json in ${directory}`,
        'run it in the folder of your project to have its packages checked',
      ),
    ];
  const project = readProject(directory);
  const found = checkFrameworks(project);
  const none = note('framework', 'package.json names no framework that has an adapter');
  return [...(found.length === 0 ? [none] : found), checkCore(project)];
}

async function examineWorker(needs: Needs, { needsGpu, environment }: ExamineOptions): Promise<readonly Finding[]> {
  const isNeeded = needs.python || needsGpu;
  const { finding, python } = await checkPython({ isNeeded, given: needs.givenPython, environment });
  return [
    finding,
    await checkGpu({ isNeeded: needs.gpu || needsGpu, python, environment }),
    await checkVllm({ isNeeded: needs.vllm, device: needs.device, environment }),
  ];
}

async function examineModels(
  models: readonly string[],
  { directory, environment }: ExamineOptions,
): Promise<readonly Finding[]> {
  return await Promise.all([...new Set(models)].map(async (model) => await checkModel(model, directory, environment)));
}
