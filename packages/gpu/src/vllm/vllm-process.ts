/** Runs a `vllm serve` as a child of this process, and keeps what it printed that explains its end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { BackendError, ConfigurationError } from '@agent-lightning/core';
import { guardStart, hasProcessGroups, signalTree, unrefChild } from '@agent-lightning/platform';
import { PrintedLines } from './printed-lines.ts';

export interface VllmProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Environment variables beside those of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** The time from SIGTERM to SIGKILL. @default 30_000 */
  readonly stopGraceMs?: number;
}

export class VllmProcess {
  readonly #options: VllmProcessOptions;
  #child: ChildProcess | undefined;
  #release: (() => void) | undefined;
  #ended: Promise<void> = Promise.resolve();
  #spawnError: ConfigurationError | undefined;
  readonly #printed = new PrintedLines();

  constructor(options: VllmProcessOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get wasStarted(): boolean {
    return this.#child !== undefined || this.#spawnError !== undefined;
  }

  /** Returns the last line that it printed and that matters, for progress. */
  get lastLine(): string | undefined {
    return this.#printed.lastLine;
  }

  /** Starts it, also again after it ended. It does not outlive this process, and does not keep it alive. */
  start(): void {
    const { command, args, env } = this.#options;
    this.#printed.clear();
    this.#spawnError = undefined;
    const guarded = guardStart({ ...process.env, ...env });
    const child = spawn(command, args, {
      env: guarded.env,
      detached: hasProcessGroups,
      windowsHide: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#release = guarded.watch(child);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text: string) => this.#printed.add(name, text));
    }
    unrefChild(child);
    this.#ended = new Promise((resolve) => {
      child.once('error', (cause: NodeJS.ErrnoException) => {
        this.#child = undefined;
        this.#spawnError = unavailable(command, cause);
        resolve();
      });
      child.once('exit', () => {
        signalTree(child, 'SIGKILL'); // its engine processes
        this.#release?.();
        resolve();
      });
    });
  }

  /** Returns an error that says why it does not run, with its last errors and the last lines that it printed. */
  failure(): BackendError | ConfigurationError {
    if (this.#spawnError !== undefined) return this.#spawnError;
    const { exitCode, signalCode } = this.#child ?? { exitCode: null, signalCode: null };
    const end = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
    return new BackendError(`vLLM ended ${end}. ${this.#printed.describe()}`, { code: 'backend-failed' });
  }

  /** Asks it to end, and kills it when it does not. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    signalTree(child, 'SIGTERM');
    const timer = setTimeout(() => signalTree(child, 'SIGKILL'), this.#options.stopGraceMs ?? 30_000);
    await this.#ended;
    clearTimeout(timer);
  }
}

function unavailable(command: string, cause: NodeJS.ErrnoException): ConfigurationError {
  return new ConfigurationError(
    `vllm: the command '${command}' cannot be started (${cause.code ?? cause.message}). Install vLLM (npx agent-lightning setup-python --vllm, or pip install vllm; in a checkout of this project, for the CPU: npm run setup:vllm), name its program by the option command or by AGENT_LIGHTNING_VLLM, or give the url of a server that runs.`,
    { code: 'command-unavailable', cause },
  );
}

/** Returns a port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
