import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ConfigurationError } from '@agent-lightning/core';
import { explainStart } from '../command/explain-start.ts';
import { isOrphan, type ProcessOwner } from '../process-owner.ts';
import type { EngineKind } from './container-endpoint.ts';

const execute = promisify(execFile);

/** The time after which a question to an engine that does not answer ends. */
const answerLimitMs = 60_000;

/** The label of every container that was started by a process of the given space. */
export const spaceLabel = 'agent-lightning.space';

/** Lists and removes containers by the program of an engine. */
export class ContainerEngine {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(program: string, env: Readonly<Record<string, string>>) {
    this.#program = program;
    this.#env = env;
  }

  /** Tells what the engine is. Podman says its version under whatever name it was called by, Docker's included, and only Docker with a capital. @throws {ConfigurationError} `command-unavailable` */
  async kind(): Promise<EngineKind> {
    return (await this.#ask(['--version'])).startsWith('Docker version ') ? 'docker' : 'podman';
  }

  /** Removes the containers that processes left which are gone. @throws {ConfigurationError} `command-unavailable` when the engine does not answer */
  async sweep({ space }: ProcessOwner): Promise<void> {
    const filter = ['--filter', `label=${spaceLabel}=${space}`];
    const names = await this.#ask(['ps', '--all', ...filter, '--format', '{{.Names}}']);
    const left = names.split('\n').filter((name) => isOrphan(name.trim(), space));
    await Promise.all(left.map((name) => this.remove(name.trim())));
  }

  /** Ends and removes a container; one that is gone is no error. @throws {ConfigurationError} `command-unavailable` */
  async remove(name: string): Promise<void> {
    await this.#ask(['rm', '--force', '--volumes', name]).catch((error: unknown) => {
      // Another process that sweeps may be removing it, and one that has ended removes itself.
      if (!/no such container|no container with|already in progress|does not exist/i.test(String(error))) throw error;
    });
  }

  async #ask(args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await execute(this.#program, args, { env: this.#env, timeout: answerLimitMs });
      return stdout;
    } catch (error) {
      const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
      const start = { code: String(code), command: this.#program, cwd: undefined };
      const why = explainStart(start) ?? `${this.#program} ${args[0]} failed: ${stderr?.trim() || message}`;
      throw new ConfigurationError(`runContainer: ${why}`, { code: 'command-unavailable', cause: error });
    }
  }
}
