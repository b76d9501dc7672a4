/** What the programs that make Python environments share. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A failure that the person at the keyboard can mend. */
export class SetupError extends Error {}

/** A virtual environment, and what decides whether it must be made again. */
export interface Environment {
  /** The name of the program that makes it, before each line that it prints. */
  readonly program: string;
  readonly directory: string;
  /** A text that changes when the environment must be made again. */
  readonly stamp: string;
  /** Says what it costs to make it; printed first. */
  readonly cost: string;
}

/** Runs the steps of one setup, and says how long each took. */
export interface Steps {
  /** The interpreter of the environment. */
  readonly python: string;
  /** @throws {SetupError} when the command fails */
  run(command: string, args: readonly string[], what: string): void;
}

const pip = ['-m', 'pip', 'install', '-qq', '--no-compile', '--disable-pip-version-check'];

/** Returns the arguments after the interpreter that install packages. */
export function pipInstall(...args: readonly string[]): readonly string[] {
  return [...pip, ...args];
}

/** Makes an environment unless it is there with the same stamp; sets the exit code and says why when it cannot. */
export function makeEnvironment(
  environment: Environment,
  findInterpreter: () => string,
  install: (steps: Steps) => void,
): void {
  const { program, directory, stamp, cost } = environment;
  const stampFile = join(directory, 'requirements.sha256');
  const python = interpreterIn(directory);
  if (existsSync(python) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp)
    return console.log(`${program}: ${directory} is up to date`);
  try {
    const interpreter = findInterpreter();
    console.log(`${program}: ${cost}`);
    rmSync(directory, { recursive: true, force: true });
    const steps = { python, run: (...step: Parameters<Steps['run']>) => runStep(program, ...step) };
    steps.run(interpreter, ['-m', 'venv', directory], 'making the environment');
    install(steps);
    writeFileSync(stampFile, stamp);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`${program}: ${error.message}`);
    process.exitCode = 1;
  }
}

/** Finds an interpreter that can make environments: PYTHON, else the first of the candidates that is of a version in [oldest, newest). */
export function findInterpreter(
  candidates: readonly string[],
  oldest: readonly [number, number],
  newest?: readonly [number, number],
): string {
  const wanted = process.env['PYTHON'];
  const asked = wanted === undefined ? candidates : [wanted];
  const tooNew = newest === undefined ? 'False' : `sys.version_info >= (${newest.join(', ')})`;
  const check = `import sys, venv, ensurepip; sys.exit(sys.version_info < (${oldest.join(', ')}) or ${tooNew})`;
  const found = asked.find((candidate) => spawnSync(candidate, ['-c', check]).status === 0);
  if (found !== undefined) return found;
  const range = newest === undefined ? 'or later' : `or later, and before ${newest.join('.')},`;
  throw new SetupError(
    `${asked.join(' and ')}: none is Python ${oldest.join('.')} ${range} with venv. Install one (Debian and Ubuntu: ` +
      'apt install python3 python3-venv; macOS: brew install python) or set PYTHON to its path.',
  );
}

function interpreterIn(directory: string): string {
  return process.platform === 'win32' ? join(directory, 'Scripts', 'python.exe') : join(directory, 'bin', 'python');
}

function runStep(program: string, command: string, args: readonly string[], what: string): void {
  const started = Date.now();
  console.log(`${program}: ${what}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) throw new SetupError(`${what}: ${command} ${args.join(' ')} failed (${error?.message ?? status})`);
  console.log(`${program}: ${what}: ${Math.round((Date.now() - started) / 1000)} s`);
}
