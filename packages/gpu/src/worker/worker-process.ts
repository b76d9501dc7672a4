/** Runs the Python worker as a child of this process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { delimiter } from 'node:path';
import {
  BackendError,
  ConfigurationError,
  TimeoutError,
  type LightningError,
  type Logger,
} from '@agent-lightning/core';
import { guardStart, hasProcessGroups, signalTree, unrefChild } from '@agent-lightning/platform';
import { findPythonDirectory } from '../setup/python-environment.ts';
import { setupAdvice } from '../setup/find-python.ts';

export interface WorkerOptions {
  readonly python: string;
  /** Arguments after `-m agent_lightning_worker`. */
  readonly arguments: readonly string[];
  readonly logger: Logger;
  /** The time from the start to the line that says where the worker listens; it imports PyTorch and loads the model meanwhile. */
  readonly startTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** The time from the end of its standard input, after which the worker finishes its current operation, to SIGKILL. @default 15_000 */
  readonly killAfterMs?: number;
}

/** A worker that listens. */
export interface RunningWorker {
  readonly url: string;
  readonly apiKey: string;
  /** Aborts, with the reason, when the worker ends by itself. */
  readonly died: AbortSignal;
  /** Asks the worker to end, and kills it when it does not. */
  stop(): Promise<void>;
}

/** The number of lines of the worker's log that an error shows. */
const shownLines = 20;

/**
 * Starts a worker on a free port of this machine. It ends with this process, however that ends. Its start and a request to it keep this
 * process alive; an idle worker does not. Neither Ctrl+C in a terminal nor a SIGTERM to every process of a service ends it, so that a run
 * can still save.
 * @throws {ConfigurationError} `command-unavailable` without Python or a module that it needs; `option-invalid` for what the worker refuses
 * @throws {BackendError} `backend-failed` when it ends before it listens
 * @throws {TimeoutError} `timed-out` | `cancelled`
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { logger, signal, killAfterMs = 15_000 } = options;
  const apiKey = randomBytes(24).toString('hex');
  const start = guardStart({
    ...process.env,
    PYTHONPATH: [findPythonDirectory(), process.env['PYTHONPATH']].filter(Boolean).join(delimiter),
    PYTHONUNBUFFERED: '1',
    AGENT_LIGHTNING_WORKER_KEY: apiKey,
  });
  const child = spawn(options.python, ['-m', 'agent_lightning_worker', ...options.arguments, '--exit-with-parent'], {
    stdio: ['pipe', 'pipe', 'pipe'], // its standard input closes when this process is gone
    detached: hasProcessGroups,
    windowsHide: true,
    env: start.env,
  });
  const release = start.watch(child);
  child.once('exit', () => {
    signalTree(child, 'SIGKILL'); // what it left in its group
    release();
  });
  child.stdin.on('error', () => undefined); // it is never written to; a dead child would break it
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > shownLines) lines.shift();
    logger.info(`worker: ${line}`);
  });
  const ended = once(child, 'close').then(
    ([code, by]) => endOf(code as number | null, by as NodeJS.Signals | null),
    (error: NodeJS.ErrnoException) => `could not be started (${error.code ?? error.message})`,
  );
  try {
    const url = await untilListening(child, ended, lines, options);
    unrefChild(child);
    logger.info(`worker: process ${child.pid} listens at ${url}`);
    const died = new AbortController();
    let stopping = false;
    void ended.then((end) => {
      if (!stopping) died.abort(diedError(end, lines));
    });
    return {
      url,
      apiKey,
      died: died.signal,
      async stop() {
        stopping = true;
        await end(child, ended, killAfterMs);
      },
    };
  } catch (error) {
    signalTree(child, 'SIGKILL'); // it has nothing to finish
    await ended;
    throw signal?.aborted === true ? cancelled(signal) : error;
  }
}

async function untilListening(
  child: ChildProcess,
  ended: Promise<string>,
  lines: readonly string[],
  { python, startTimeoutMs, signal }: WorkerOptions,
): Promise<string> {
  const over = AbortSignal.any([AbortSignal.timeout(startTimeoutMs), ...(signal === undefined ? [] : [signal])]);
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const url = readListening(line);
      if (url !== undefined) resolve(url);
    });
    void ended.then((end) => reject(startError(python, end, lines)));
    const onOver = (): void => reject(signal?.aborted === true ? cancelled(signal) : tooSlow(startTimeoutMs, lines));
    if (over.aborted) onOver();
    over.addEventListener('abort', onOver, { once: true });
  });
  return await listening;
}

/** Reads the address from the line `{"listening":"http://127.0.0.1:PORT","pid":…}`; returns undefined for another line. */
function readListening(line: string): string | undefined {
  try {
    const { listening } = JSON.parse(line) as { readonly listening?: unknown };
    return typeof listening === 'string' ? listening : undefined;
  } catch {
    return undefined;
  }
}

/** Ends the worker: it finishes its current operation when its standard input closes, and is killed when that takes too long. */
async function end(child: ChildProcess, ended: Promise<string>, killAfterMs: number): Promise<void> {
  child.stdin?.end();
  const timer = setTimeout(() => signalTree(child, 'SIGKILL'), killAfterMs); // keeps this process alive meanwhile
  await ended;
  clearTimeout(timer);
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === null) return `ended with code ${code}`;
  return `was ended by ${signal}${signal === 'SIGKILL' ? ' (out of memory?)' : ''}`;
}

/** Returns the error of a worker that did not start; it names what is missing where the log says so. */
function startError(python: string, end: string, lines: readonly string[]): LightningError {
  const log = lines.join('\n');
  if (end.startsWith('could not be started')) {
    return new ConfigurationError(`gpu: the Python of the worker, ${python}, ${end}. ${setupAdvice}.`, {
      code: 'command-unavailable',
    });
  }
  const missing = /No module named '?([\w.]+)'?/.exec(log)?.[1];
  if (missing !== undefined) {
    return new ConfigurationError(
      `gpu: ${python} has no module ${missing}, which the worker needs. ${setupAdvice}.\n${log}`,
      { code: 'command-unavailable' },
    );
  }
  const rejection = /^agent-lightning-worker: (.*)$/m.exec(log)?.[1];
  if (end === 'ended with code 2' && rejection !== undefined)
    return new ConfigurationError(`gpu: the worker refuses to start: ${rejection}`, { code: 'option-invalid' });
  return new BackendError(`gpu: the worker ${end} before it listened; its log ends with:\n${log}`, {
    code: 'backend-failed',
  });
}

function diedError(end: string, lines: readonly string[]): BackendError {
  return new BackendError(
    `The worker ${end}. Resume the run from its last checkpoint. The worker's log ends with:\n${lines.join('\n')}`,
    { code: 'session-lost', retryable: true },
  );
}

function tooSlow(startTimeoutMs: number, lines: readonly string[]): TimeoutError {
  return new TimeoutError(
    `gpu: the worker did not listen within ${startTimeoutMs} ms; give a large model more with startTimeoutMs. Its log ends with:\n${lines.join('\n')}`,
    { code: 'timed-out' },
  );
}

function cancelled(signal: AbortSignal): TimeoutError {
  return new TimeoutError('gpu: starting the worker was cancelled by its signal.', {
    code: 'cancelled',
    cause: signal.reason,
  });
}
