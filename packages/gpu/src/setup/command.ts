#!/usr/bin/env node
/** The command `agent-lightning-gpu`: puts on this machine what the worker needs. */
import { parseArgs } from 'node:util';
import { LightningError, toTerminalText, type Logger } from '@agent-lightning/core';
import { setUpPython } from './set-up-python.ts';
import { setUpStarterModel } from './set-up-starter-model.ts';

const usage = `Puts on this machine what @agent-lightning/gpu needs.

  npx agent-lightning-gpu setup                 Python packages of the worker, in the user's cache
  npx agent-lightning-gpu setup-starter-model   the model "smollm2" (93 MB to download), in the user's cache

  --python PATH       setup: the Python, 3.10 or later, that makes the environment
                      setup-starter-model: a Python that has the worker's packages
  --directory DIR     setup: another place for the environment: new, empty, or a Python environment, which
                      is replaced; name its Python by AGENT_LIGHTNING_PYTHON then
  --torch-index URL   setup: the package index that PyTorch is taken from, such as
                      https://download.pytorch.org/whl/cpu, whose build is the smallest on Linux
  --installer NAME    setup: uv or pip; without it uv where it is on the PATH, else pip
  --again             setup-starter-model: makes the model again
  --help              prints this

AGENT_LIGHTNING_CACHE names another directory for the user's cache.
`;

const print = (message: string): void => void process.stdout.write(`${toTerminalText(message)}\n`);
const complain = (message: string): void => void process.stderr.write(`${toTerminalText(message)}\n`);
const logger: Logger = { info: print, warn: print, error: print };

process.exitCode = await main(process.argv.slice(2));

/** Runs the command. Returns the exit code: 2 for a command line that is not understood, 1 for a set-up that failed. */
async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(readArguments(args));
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) return refuse(error.message); // of parseArgs
    if (!LightningError.isInstance(error)) throw error;
    complain(error.message);
    return 1;
  }
}

type Given = ReturnType<typeof readArguments>;

function readArguments(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = { python: text, directory: text, installer: text, 'torch-index': text, again: flag, help: flag };
  return parseArgs({ args: [...args], options, allowPositionals: true });
}

async function run({ values, positionals }: Given): Promise<number> {
  const { python, directory, installer, 'torch-index': torchIndex, again, help } = values;
  const command = positionals.join(' ');
  if (help === true) {
    print(usage);
    return 0;
  }
  const allowed = command === 'setup' ? ['python', 'directory', 'installer', 'torch-index'] : ['python', 'again'];
  const stranger = Object.keys(values).find((name) => !allowed.includes(name));
  if (command !== 'setup' && command !== 'setup-starter-model') return refuse(`There is no command "${command}".`);
  if (stranger !== undefined) return refuse(`${command} takes no --${stranger}.`);
  if (installer !== undefined && installer !== 'uv' && installer !== 'pip')
    return refuse(`--installer is "${installer}"; it must be uv or pip.`);
  await (command === 'setup'
    ? setUpPython({
        logger,
        ...(python && { python }),
        ...(directory && { directory }),
        ...(installer && { installer }),
        ...(torchIndex && { torchIndex }),
      })
    : setUpStarterModel({ logger, ...(python && { python }), ...(again && { again }) }));
  return 0;
}

function refuse(problem: string): number {
  complain(`agent-lightning-gpu: ${problem}\n\n${usage}`);
  return 2;
}
