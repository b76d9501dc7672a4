/** Runs one Python script many times at once, with its framework imported once: the other side of serve.py. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What a script that ended has printed, and how it ended. */
interface Ending {
  readonly output: string;
  readonly status: number;
}

export interface ScriptOptions {
  /** The interpreter of the framework's environment. */
  readonly python: string;
  /** The path of the script. */
  readonly script: string;
  /** What is imported once, before the first run. */
  readonly modules: readonly string[];
  /** Variables that every run has besides PATH and HOME. */
  readonly environment: Readonly<Record<string, string>>;
}

const quotedCharacters = 600;

/** A Python process that forks one for each run of a script. */
export class ScriptServer {
  readonly #process: ChildProcess;
  readonly #script: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<Ending>>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #runs = 0;

  private constructor({ python, script, modules, environment }: ScriptOptions) {
    const { PATH = '', HOME = '' } = process.env;
    this.#script = script;
    this.#process = spawn(python, [join(import.meta.dirname, 'serve.py'), script, ...modules], {
      env: { PATH, HOME, PYTHONUTF8: '1', ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = new Promise((resolve) => {
      const end = (why: string) => {
        const error = new Error(`${python} serve.py ${script} ${why}`);
        this.#ready.reject(error);
        for (const run of this.#waiting.values()) run.reject(error);
        resolve();
      };
      this.#process.once('error', ({ message }) =>
        end(`did not start (${message}); npm run setup:python-frameworks makes its environment`),
      );
      this.#process.once('close', (code) => end(`ended with exit code ${code}`));
    });
    createInterface(this.#process.stdout!).on('line', (line) => this.#read(line));
  }

  /** Starts the process; resolves when everything is imported. */
  static async start(options: ScriptOptions): Promise<ScriptServer> {
    const server = new ScriptServer(options);
    await server.#ready.promise;
    return server;
  }

  /** Runs the script with a text on standard input, and returns the last line of its output that is a JSON object. */
  async run(input: string, environment: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    const id = this.#runs++;
    const ending = Promise.withResolvers<Ending>();
    this.#waiting.set(id, ending);
    const onAbort = (): void => {
      this.#write({ id, cancel: true });
      ending.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#write({ id, environment, input });
      return this.#parse(await ending.promise);
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#waiting.delete(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }

  #write(message: object): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  #read(line: string): void {
    const message = JSON.parse(line) as Ending & { readonly id?: number };
    if (message.id === undefined) return this.#ready.resolve();
    this.#waiting.get(message.id)?.resolve(message);
  }

  #parse({ output, status }: Ending): unknown {
    const line = output.split('\n').findLast((each) => each.startsWith('{'));
    if (status === 0 && line !== undefined) return JSON.parse(line);
    throw new Error(`${this.#script} ended with exit code ${status}: ${output.trim().slice(-quotedCharacters)}`);
  }
}
