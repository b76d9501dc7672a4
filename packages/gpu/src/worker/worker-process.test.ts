import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startWorker, type RunningWorker, type WorkerOptions } from './worker-process.ts';

let root: string;
const lines: string[] = [];
const write = (line: string): void => void lines.push(line);
const logger = { info: write, warn: write, error: write };
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'worker-process-'));
  lines.length = 0;
});
afterEach(() => rm(root, { recursive: true }));

/** A program in the place of Python, which behaves as a worker does at one moment of its life. */
async function start(script: string, change: Partial<WorkerOptions> = {}): Promise<RunningWorker> {
  const python = join(root, 'python');
  await writeFile(python, `#!/bin/sh\ncd ${root}\n${script}\n`);
  await chmod(python, 0o755);
  return await startWorker({
    python,
    arguments: ['--model', 'm'],
    logger,
    startTimeoutMs: 60_000,
    signal: undefined,
    ...change,
  });
}

const listen = `echo '{"listening":"http://127.0.0.1:9","pid":1}'`;

describe.skipIf(process.platform === 'win32')('startWorker', () => {
  it('waits for the line that says where the worker listens, and hands its log on', async () => {
    const worker = await start(`echo loading >&2; echo 'not JSON'; ${listen}; cat`);
    expect(worker.url).toBe('http://127.0.0.1:9');
    await worker.stop();
    expect(lines).toContain('worker: loading');
    expect(worker.died.aborted).toBe(false);
  });

  it('gives the key in the environment, where other users cannot read it, and not on the command line', async () => {
    const worker = await start(`echo "$AGENT_LIGHTNING_WORKER_KEY" > key; echo "$@" > arguments; ${listen}; cat`);
    await worker.stop();
    expect((await readFile(join(root, 'key'), 'utf8')).trim()).toBe(worker.apiKey);
    const given = await readFile(join(root, 'arguments'), 'utf8');
    expect(given.trim()).toBe('-m agent_lightning_worker --model m --exit-with-parent');
    expect(lines.join()).not.toContain(worker.apiKey);
  });

  it('ends it by closing its standard input, as it closes when this process is gone, so that it can finish', async () => {
    const worker = await start(`${listen}; cat; echo finished > finished`);
    await worker.stop();
    expect(await readFile(join(root, 'finished'), 'utf8')).toBe('finished\n');
    expect(worker.died.aborted).toBe(false);
  });

  it('makes it end when it does not', async () => {
    const worker = await start(`trap '' TERM; ${listen}; while :; do sleep 0.05; done`, { killAfterMs: 50 });
    await worker.stop();
    await worker.stop();
  });

  it('tells when the worker ends by itself, with the end of its log', async () => {
    const worker = await start(`${listen}; echo 'CUDA out of memory' >&2; exit 3`);
    if (!worker.died.aborted) await once(worker.died, 'abort');
    expect(worker.died.reason).toMatchObject({
      code: 'session-lost',
      message: expect.stringMatching(/ended with code 3.*CUDA out of memory/s),
    });
  });

  it.each<[string, string, string, RegExp]>([
    [
      'Python has no PyTorch',
      `echo "ModuleNotFoundError: No module named 'torch'" >&2; exit 1`,
      'command-unavailable',
      /no module torch.*npx agent-lightning-gpu setup/s,
    ],
    [
      'Python has no worker',
      `echo "/usr/bin/python3: No module named agent_lightning_worker" >&2; exit 1`,
      'command-unavailable',
      /no module agent_lightning_worker/,
    ],
    [
      'the worker refuses the model',
      `echo 'agent-lightning-worker: --model m: no config.json there' >&2; exit 2`,
      'option-invalid',
      /refuses to start: --model m: no config\.json there/,
    ],
    [
      'the worker breaks',
      `echo 'Segmentation fault' >&2; exit 139`,
      'backend-failed',
      /ended with code 139 before it listened.*Segmentation fault/s,
    ],
  ])('says what is wrong when %s', async (_, script, code, message) => {
    await expect(start(script)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('says what is wrong when there is no such Python', async () => {
    const options = { python: join(root, 'nowhere'), arguments: [], logger, startTimeoutMs: 60_000, signal: undefined };
    await expect(startWorker(options)).rejects.toMatchObject({
      code: 'command-unavailable',
      message: expect.stringMatching(/nowhere.*ENOENT/),
    });
  });

  it('does not wait for ever', async () => {
    await expect(start('exec sleep 600', { startTimeoutMs: 1 })).rejects.toMatchObject({ code: 'timed-out' });
  });

  it('stops waiting, and the worker, when its signal is aborted', async () => {
    await expect(start('exec sleep 600', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });
});
