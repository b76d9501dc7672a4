/** Each of these starts PyTorch, some of them twice, which is what makes them heavy. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runProgram, type ProcessEnd, type ProgramOptions } from './run-process.ts';
import { readMetrics } from './run-folder.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';
import { findWorkerPython } from '../../gpu/test/worker-python.ts';
import { isAlive } from '../../platform/test/is-alive.ts';

const python = findWorkerPython();
const vllmProgram = join(import.meta.dirname, '../../gpu/test/vllm/vllm-command.ts');

let folder: string;
const model = (): string => join(folder, 'model');
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'left-open-'));
  await createTinyCheckpoint(model());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const train = (mode: 'begin' | 'resume', onLine: ProgramOptions['onLine'] = () => undefined): Promise<ProcessEnd> =>
  runProgram('gpu-run.ts', [model(), folder, mode], { onLine, env: { OMP_NUM_THREADS: '1' } });

/** A run whose process group gets a signal once, at the first line that matches. */
function signalled(signal: NodeJS.Signals, moment: RegExp): Promise<ProcessEnd> {
  let isSent = false;
  return train('begin', (child, line) => {
    if (isSent || !moment.test(line)) return;
    isSent = true;
    process.kill(-child.pid!, signal);
  });
}

/** The process that the log names. @throws where no worker ever listened */
const workerOf = (output: string): number => Number(/worker: process (\d+) listens/.exec(output)![1]);

const areGone = (...pids: readonly number[]): Promise<void> =>
  vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 120_000 });

const needsPython = { skip: python === undefined, timeout: 600_000 };
describe('a script that leaves gpu() open (needs Python: npm run setup:python)', needsPython, () => {
  it('saves on Ctrl+C in its terminal, goes on when it is run again, and ends by itself with its worker', async () => {
    const stopped = await signalled('SIGINT', /begins run\.s2\./);
    expect(stopped, stopped.output).toMatchObject({ code: 130, signal: null });
    expect(stopped.output).toContain('SIGINT: saving and stopping');
    await areGone(workerOf(stopped.output));

    const resumed = await train('resume');
    expect(resumed, resumed.output).toMatchObject({ code: 0, signal: null });
    expect(resumed.output).toMatch(/resuming after step [12] of 3/);
    expect((await readMetrics(join(folder, 'run'))).map(({ step }) => step)).toEqual([1, 2, 3]);
    await areGone(workerOf(resumed.output));
  });

  it('ends a step that trains before it saves, on a SIGTERM to its whole process group', async () => {
    const stopped = await signalled('SIGTERM', /trains on step 2/);
    expect(stopped, stopped.output).toMatchObject({ code: 130, signal: null });
    expect(stopped.output).toContain('SIGTERM: saving and stopping');
    expect((await readdir(join(folder, 'run', 'checkpoints'))).at(-1)).toBe('step-000002');
    await areGone(workerOf(stopped.output));
  });

  it('saves when a service manager sends SIGTERM to every process, its worker included', async () => {
    let worker: number | undefined;
    let isSent = false;
    const stopped = await train('begin', (child, line) => {
      if (/listens/.test(line)) worker = workerOf(line);
      if (isSent || !/trains on step 2/.test(line)) return;
      isSent = true;
      for (const target of [worker!, -child.pid!]) process.kill(target, 'SIGTERM');
    });
    expect(stopped, stopped.output).toMatchObject({ code: 130, signal: null });
    expect(stopped.output).toContain('SIGTERM: going on until standard input closes');
    expect((await readdir(join(folder, 'run', 'checkpoints'))).at(-1)).toBe('step-000002');
    await areGone(worker!);
  });

  it('takes its worker with it when it is killed', async () => {
    const killed = await train('begin', (child, line) => /begins/.test(line) && child.kill('SIGKILL'));
    expect(killed.signal).toBe('SIGKILL');
    await areGone(workerOf(killed.output));
  });

  it('ends by itself, with its worker and its vLLM', async () => {
    const command = [process.execPath, '--conditions=@agent-lightning/source', vllmProgram];
    const starts = join(folder, 'starts');
    const vllm = { command, env: { STARTS_FILE: starts } };
    const options = { model: model(), device: 'cpu', lora: { rank: 4 }, stateDirectory: join(folder, 'states'), vllm };
    const ended = await runProgram('left-open.ts', ['gpu', JSON.stringify(options)]);
    expect(ended, ended.output).toMatchObject({ code: 0, signal: null });
    expect(ended.output).toContain('published version 1');
    const { pid } = JSON.parse(await readFile(starts, 'utf8')) as { readonly pid: number };
    await areGone(pid, workerOf(ended.output));
  });
});
