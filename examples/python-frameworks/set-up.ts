/**
 * Makes the Python environments of the frameworks, with pinned versions: `npm run setup:python-frameworks [-- NAME…]`. Uses uv where it is
 * on the PATH, else venv and pip; PYTHON chooses the interpreter. Does nothing for one that is there and whose pins have not changed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { environmentOf, type PythonEnvironment } from './environments.ts';
import { frameworks } from './frameworks.ts';

/** A failure that the person at the keyboard can mend. */
class SetupError extends Error {}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0)
    throw new SetupError(`${command} ${args.join(' ')} failed (${error?.message ?? `exit code ${status}`})`);
}

const hasUv = (): boolean => spawnSync('uv', ['--version']).status === 0;

function install({ directory, requirements, python }: PythonEnvironment): void {
  const interpreter = process.env['PYTHON'] ?? 'python3';
  if (hasUv()) {
    run('uv', ['venv', '--quiet', '--python', interpreter, directory]);
    return run('uv', ['pip', 'install', '--quiet', '--python', python, '-r', requirements]);
  }
  run(interpreter, ['-m', 'venv', directory]);
  run(python, ['-m', 'pip', 'install', '-qq', '--disable-pip-version-check', '-r', requirements]);
}

/** Makes the environment of a framework, unless it is there. */
function setUp(name: string): void {
  const environment = environmentOf(name);
  const stamp = join(environment.directory, 'requirements.txt');
  const pins = readFileSync(environment.requirements, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === pins) return console.log(`${name}: is up to date`);
  console.log(`${name}: installing ${pins.trim().replaceAll('\n', ', ')}`);
  rmSync(environment.directory, { recursive: true, force: true });
  const startedAtMs = Date.now();
  install(environment);
  writeFileSync(stamp, pins);
  const { stdout } = spawnSync('du', ['-sm', environment.directory], { encoding: 'utf8' });
  console.log(
    `${name}: ${stdout.split('\t')[0]} MB in ${environment.directory}, ${Math.round((Date.now() - startedAtMs) / 1000)} s`,
  );
}

const { positionals } = parseArgs({ allowPositionals: true });
const unknown = positionals.find((name) => !(name in frameworks));
try {
  if (unknown !== undefined)
    throw new SetupError(
      `"${unknown}" is no framework of this example; there are ${Object.keys(frameworks).join(', ')}`,
    );
  for (const name of positionals.length > 0 ? positionals : Object.keys(frameworks)) setUp(name);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
