import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findInterpreter, makeEnvironment, pipInstall, SetupError } from './python-environment.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'environment-'));
  vi.stubEnv('PYTHON', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(directory, { recursive: true });
});

describe('a Python environment', () => {
  it('needs an interpreter of a version, and says which and how to get one', () => {
    expect(() => findInterpreter(['python-that-is-not-there'], [3, 11], [3, 15])).toThrow(
      /^python-that-is-not-there: none is Python 3\.11 or later, and before 3\.15, with venv\. Install one .* or set PYTHON to its path\.$/,
    );
    vi.stubEnv('PYTHON', process.execPath); // a program, and no Python
    expect(() => findInterpreter(['python3'], [3, 10])).toThrow(
      `${process.execPath}: none is Python 3.10 or later with venv`,
    );
  });

  it('is left as it is while its stamp is the same', async () => {
    const said = vi.spyOn(console, 'log').mockReturnValue();
    const python =
      process.platform === 'win32' ? join(directory, 'Scripts', 'python.exe') : join(directory, 'bin', 'python');
    await mkdir(dirname(python));
    await writeFile(python, '');
    await writeFile(join(directory, 'requirements.sha256'), 'as now');
    const environment = { program: 'setup', directory, stamp: 'as now', cost: '1 GB' };
    const find = vi.fn(() => {
      throw new SetupError('no Python');
    });
    makeEnvironment(environment, find, () => undefined);
    expect(said.mock.calls).toEqual([[`setup: ${directory} is up to date`]]);
    expect(find).not.toHaveBeenCalled();

    const complained = vi.spyOn(console, 'error').mockReturnValue();
    makeEnvironment({ ...environment, stamp: 'another' }, find, () => undefined);
    expect(complained.mock.calls).toEqual([['setup: no Python']]);
    expect(process.exitCode).toBe(1);
  });

  it('is filled without compiling, by pip of its own interpreter', () => {
    expect(pipInstall('torch==2.13.0').slice(0, 3)).toEqual(['-m', 'pip', 'install']);
    expect(pipInstall('torch==2.13.0').at(-1)).toBe('torch==2.13.0');
  });
});
