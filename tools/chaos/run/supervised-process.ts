import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { guardStart, hasProcessGroups } from '@agent-lightning/platform';

const keptLines = 40;

/** A program of the siege: what it printed last, and whether the siege or itself ended it. */
export class SupervisedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ready: Promise<unknown>;
  readonly #gone: Promise<unknown>;
  isKilled: boolean = false;
  isReady: boolean = false;

  /**
   * @param readiness matches the line by which the program says that it works
   * @param prefix a command that runs the one after it, such as on another machine
   */
  constructor(
    name: string,
    program: string,
    args: readonly string[],
    readiness: RegExp,
    env: NodeJS.ProcessEnv = {},
    prefix: readonly string[] = [],
  ) {
    this.name = name;
    const flags = ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning'];
    // None outlives the siege itself, should that be killed.
    const start = guardStart({ ...process.env, ...env });
    const [first, ...rest] = [...prefix, process.execPath, ...flags, program, ...args];
    this.child = spawn(first!, rest, {
      env: start.env,
      detached: hasProcessGroups,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#gone = once(this.child, 'close').finally(start.watch(this.child));
    const ready = Promise.withResolvers<void>();
    this.#ready = Promise.race([ready.promise, this.#gone]);
    for (const input of [this.child.stdout!, this.child.stderr!])
      createInterface({ input }).on('line', (line) => {
        this.#lines.push(line);
        if (this.#lines.length > keptLines) this.#lines.shift();
        if (!readiness.test(line)) return;
        this.isReady = true;
        ready.resolve();
      });
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get output(): string {
    return this.#lines.join('\n');
  }

  /** Returns what the newest line holds that begins with a word. */
  find(word: string): string | undefined {
    return this.#lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  }

  /** Resolves when the program works, or has ended. */
  async untilReady(): Promise<void> {
    await this.#ready;
  }

  /** Resolves when the program has ended and all of its output was read. */
  async untilGone(): Promise<void> {
    await this.#gone;
  }

  async kill(): Promise<void> {
    if (!this.hasEnded) {
      this.isKilled = true;
      this.child.kill('SIGKILL');
    }
    await this.#gone;
  }
}
