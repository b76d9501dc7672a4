import { spawn, type ChildProcess } from 'node:child_process';
import { ConfigurationError, TimeoutError } from '@agent-lightning/core';
import { CapturedOutput, hide } from './captured-output.ts';
import { guardStart, hasProcessGroups, signalTree } from '@agent-lightning/platform';
import { explainStart } from './explain-start.ts';
import type { Launcher } from './launcher.ts';

export interface ChildRunOptions {
  /** The function that starts it, and what it runs: the first words of each error. */
  readonly launcher: Launcher;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  /** The text that is written to standard input, which then ends. */
  readonly input: string;
  readonly timeoutMs: number | undefined;
  readonly killGraceMs: number;
  readonly maxOutputBytes: number;
  /** The text that is kept out of the outputs. */
  readonly secret: string | undefined;
}

/** Holds what a child has left so far. */
export interface ChildOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Names what ended it, where more is known than its exit code: `OOMKilled`. */
  readonly endedBy?: string;
}

/** The time after the exit at which pipes are closed that a process outside of the group still holds. */
const pipeGraceMs = 500;

/** One run of a command: its pipes, its clock, and the end of everything that it started. */
export class ChildRun {
  readonly #options: ChildRunOptions;
  readonly #child: ChildProcess;
  readonly #stdout: CapturedOutput;
  readonly #stderr: CapturedOutput;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Ends the watch that lets the command not outlive this process. */
  readonly #release: () => void;
  #stopReason: unknown;

  constructor(options: ChildRunOptions) {
    this.#options = options;
    this.#stdout = new CapturedOutput(options.maxOutputBytes);
    this.#stderr = new CapturedOutput(options.maxOutputBytes);
    const start = guardStart(options.env);
    try {
      this.#child = spawn(options.command, options.args, {
        env: start.env,
        cwd: options.cwd,
        detached: hasProcessGroups,
        windowsHide: true,
        stdio: 'pipe',
      });
    } catch (error) {
      start.cancel();
      throw this.#spawnError(error);
    }
    this.#release = start.watch(this.#child);
    // Without file descriptors left there are no pipes; the error that says so comes later.
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#stdout.write(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#stderr.write(chunk));
    // A command may exit without reading its task: its output says what it did.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdin?.end(options.input);
  }

  /** Returns what the child has left until now. */
  get output(): ChildOutput {
    const { secret } = this.#options;
    const { exitCode, signalCode: signal } = this.#child;
    return { stdout: this.#stdout.text(secret), stderr: this.#stderr.text(secret), exitCode, signal };
  }

  /**
   * Resolves when the command has ended and whatever was left of its group has been killed.
   * @throws {ConfigurationError} `command-unavailable` · {TimeoutError} `timed-out` · the reason that `stop` was given
   */
  async ended(): Promise<ChildOutput> {
    const { timeoutMs } = this.#options;
    if (timeoutMs !== undefined) this.#after(timeoutMs, () => this.stop(this.#timeOut()));
    try {
      await this.#closed();
    } finally {
      this.#release();
      for (const timer of this.#timers) clearTimeout(timer);
    }
    if (this.#stopReason !== undefined) throw this.#stopReason;
    return this.output;
  }

  /** Asks the command to end, then ends it; `ended` rejects with `reason` once it has. */
  stop(reason: unknown): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    signalTree(this.#child, 'SIGTERM');
    this.#after(this.#options.killGraceMs, () => signalTree(this.#child, 'SIGKILL'));
  }

  #closed(): Promise<void> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      child.once('error', (error) => (child.pid === undefined ? reject(this.#spawnError(error)) : undefined));
      child.once('close', () => resolve());
      child.once('exit', () => {
        signalTree(child, 'SIGKILL'); // what the command left behind in its group
        this.#after(pipeGraceMs, () => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        });
      });
    });
  }

  #after(delayMs: number, work: () => void): void {
    this.#timers.add(setTimeout(work, delayMs));
  }

  #timeOut(): TimeoutError {
    const { launcher, timeoutMs } = this.#options;
    return new TimeoutError(`${launcher.name}: ${launcher.subject} took longer than ${timeoutMs} ms, and was ended`, {
      code: 'timed-out',
    });
  }

  #spawnError(cause: unknown): ConfigurationError {
    const { launcher, command, cwd, secret } = this.#options;
    const { code, message } = cause as NodeJS.ErrnoException;
    return new ConfigurationError(
      `${launcher.name}: ${explainStart({ code, command, cwd }) ?? hide(message, secret)}`,
      {
        code: 'command-unavailable',
        cause: secret === undefined ? cause : undefined, // Node's error holds the arguments
      },
    );
  }
}
