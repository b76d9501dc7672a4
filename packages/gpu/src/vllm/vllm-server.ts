/** Watches one vLLM server, and brings back the server and its adapters after it went away. */
import { BackendError, LightningError, type Logger } from '@agent-lightning/core';
import { checkSampling, probeAdapter } from './check-sampling.ts';
import type { Clock } from '@agent-lightning/platform';
import { TimeLimit } from './time-limit.ts';
import { VllmAway, type VllmClient } from './vllm-client.ts';
import type { VllmProcess } from './vllm-process.ts';

export interface VllmServerParts {
  readonly client: VllmClient;
  /** Undefined for a server that somebody else started. */
  readonly process: VllmProcess | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The longest time from a start, also a later one, until it answers. */
  readonly startTimeoutMs: number;
  /** The longest time until it answers again without a start. */
  readonly awayTimeoutMs: number;
  /** A signal that ends every wait; its reason is the error. */
  readonly signal: AbortSignal;
}

const pollMs = 250;
const progressMs = 15_000;
const watchMs = 5_000;
/** The most restarts in a row of a server that ran well, without an answer between them. */
const maxRestarts = 3;

export class VllmServer {
  readonly #parts: VllmServerParts;
  /** The directories of the adapters that are to be loaded, by name. */
  readonly #wanted = new Map<string, string>();
  #base = '';
  #isWell = false;
  /** True when a call on the server failed since it was last looked at. */
  #isDoubted = false;
  #isAsleep = false;
  /** Restarts in a row; undefined until the server ran well once. */
  #restarts: number | undefined;
  #recovering: Promise<void> | undefined;
  /** The number of calls that wait for the server to come up. */
  #waiting = 0;
  #inspecting: Promise<void> | undefined;

  private constructor(parts: VllmServerParts) {
    this.#parts = parts;
  }

  /**
   * Starts the server where it has a process of this fleet, waits until it answers, and checks how it samples.
   * @throws {ConfigurationError} `option-unsupported` naming a flag that it lacks; `command-unavailable`
   * @throws {BackendError} `backend-failed` when it does not come up, with what it printed last
   */
  static async open(parts: VllmServerParts): Promise<VllmServer> {
    const server = new VllmServer(parts);
    await server.#hold(server.#comeUp(parts.startTimeoutMs));
    void server.#watch();
    return server;
  }

  get url(): string {
    return this.#parts.client.url;
  }

  /** Returns the name of the base model. */
  get base(): string {
    return this.#base;
  }

  /** Tells whether the server answers and holds all of its adapters, as far as is known. */
  get isWell(): boolean {
    return this.#isWell && !this.#isDoubted;
  }

  /** Resolves when the server is well. @throws {BackendError} `backend-failed`, retryable, when it stays away for too long */
  async becomeWell(): Promise<void> {
    await this.#hold(this.#inspect());
  }

  /** Inspects the server because a call on it failed; until that is done, the server does not count as well. */
  doubt(): void {
    this.#isDoubted = true;
    this.#inspect().catch(() => undefined); // the log has it
  }

  /** Loads an adapter and checks that it answers. */
  async load(name: string, directory: string): Promise<void> {
    await this.#whenWell(async (client) => {
      await client.loadAdapter(name, directory);
      await probeAdapter(client, name);
    });
    this.#wanted.set(name, directory);
  }

  /** Unloads an adapter that no call runs on. @returns false while one does, or while the server is away */
  async unloadIfIdle(name: string): Promise<boolean> {
    const { client } = this.#parts;
    try {
      const busy = await client.busyAdapters();
      if (busy === 'unknown' || busy.has(name)) return false;
      await client.unloadAdapter(name);
      this.#wanted.delete(name);
      return true;
    } catch (error) {
      if (error instanceof VllmAway) return false;
      throw error;
    }
  }

  /** Tells whether calls run or wait on any adapter. */
  async isBusy(): Promise<boolean> {
    const busy = await this.#parts.client.busyAdapters();
    return busy === 'unknown' || busy.size > 0;
  }

  async sleep(): Promise<void> {
    if (this.#isAsleep) return;
    await this.#whenWell((client) => client.sleep());
    this.#isAsleep = true;
  }

  async wake(): Promise<void> {
    if (!this.#isAsleep) return;
    await this.#whenWell((client) => client.wake());
    this.#isAsleep = false;
  }

  /** Ends a server that this fleet started, and leaves another as it was. */
  async close(): Promise<void> {
    const { client, process } = this.#parts;
    if (process !== undefined) return await process.stop();
    if (this.#isAsleep) await client.wake();
    for (const name of this.#wanted.keys()) await client.unloadAdapter(name);
  }

  /** Makes a call; where the server is away, brings it back and makes the call once more. */
  async #whenWell<Result>(call: (client: VllmClient) => Promise<Result>): Promise<Result> {
    const { client } = this.#parts;
    if (!this.#isWell || !(await this.#stillHoldsAll())) await this.#hold(this.#recover());
    try {
      return await call(client);
    } catch (error) {
      if (!(error instanceof VllmAway)) throw error;
      this.#isWell = false;
      await this.#hold(this.#recover());
      return await call(client);
    }
  }

  /** Keeps the process alive while a call waits for the server; the watch alone does not keep it alive. */
  async #hold(comingUp: Promise<void>): Promise<void> {
    const alive = setInterval(() => undefined, 2 ** 31 - 1);
    this.#waiting += 1;
    try {
      await comingUp;
    } finally {
      this.#waiting -= 1;
      clearInterval(alive);
    }
  }

  /** Inspects the server now and then, so that a restart is noticed while no call is made. */
  async #watch(): Promise<void> {
    const { clock, signal } = this.#parts;
    for (;;) {
      await clock.wait(watchMs, signal, true);
      if (signal.aborted) return;
      await this.#inspect().catch(() => undefined); // the log has it
    }
  }

  /** Checks whether the server is well, and brings it back when it is not; callers share one inspection. */
  #inspect(): Promise<void> {
    this.#inspecting ??= this.#look()
      .catch((error: unknown) => {
        this.#report(error);
        throw error;
      })
      .finally(() => {
        this.#inspecting = undefined;
        this.#isDoubted = false;
      });
    return this.#inspecting;
  }

  async #look(): Promise<void> {
    const { client, logger, signal } = this.#parts;
    const wasWell = this.#isWell;
    if (wasWell && (await this.#stillHoldsAll())) return;
    signal.throwIfAborted();
    this.#isWell = false;
    if (wasWell) logger.warn(`vLLM at ${client.url} is away, or lost its adapters; calls wait until it is back`);
    await this.#recover();
    logger.info(`vLLM at ${client.url} is back with ${this.#wanted.size} adapters`);
  }

  #report(error: unknown): void {
    const { signal, logger } = this.#parts;
    if (!signal.aborted) logger.error(LightningError.isInstance(error) ? error.message : String(error));
  }

  /** Asks twice before a server counts as away: one that is busy may be late once. */
  async #stillHoldsAll(): Promise<boolean> {
    return (await this.#holdsAll()) || (await this.#holdsAll());
  }

  /** Returns whether the server is healthy, its engine included, and has all of its adapters. */
  async #holdsAll(): Promise<boolean> {
    const { client } = this.#parts;
    try {
      if (!(await client.isHealthy())) return false;
      const { adapters } = await client.models();
      return [...this.#wanted.keys()].every((name) => adapters.has(name));
    } catch (error) {
      if (error instanceof VllmAway) return false;
      throw error;
    }
  }

  /** Brings the server back; callers share one attempt. */
  #recover(): Promise<void> {
    this.#recovering ??= this.#comeUp(this.#parts.awayTimeoutMs).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  /** Waits until the server is ready; one that goes away again before it is gets no more time. */
  async #comeUp(limitMs: number): Promise<void> {
    const { clock, signal } = this.#parts;
    const limit = new TimeLimit(clock, limitMs);
    for (;;) {
      await this.#answer(limit);
      try {
        return await this.#restore();
      } catch (error) {
        if (!(error instanceof VllmAway)) throw error;
        if (limit.isOver) throw this.#stayedAway(limit);
        await clock.wait(pollMs, signal, this.#waiting === 0);
      }
    }
  }

  /** Checks how the server samples, and loads the adapters that it lost. */
  async #restore(): Promise<void> {
    const { client, logger } = this.#parts;
    const { base, adapters } = await client.models();
    const missing = [...this.#wanted].filter(([name]) => !adapters.has(name));
    if (this.#isAsleep && missing.length === 0) {
      this.#isWell = true; // it was out of reach and did not restart: it sleeps on
      return;
    }
    this.#isAsleep = false;
    this.#base = base;
    if (!(await checkSampling(client, base)))
      logger.warn(
        `vLLM at ${client.url}: this model's next tokens are too alike to tell how it samples; start it with --logprobs-mode processed_logprobs and --generation-config vllm`,
      );
    for (const [name, directory] of missing) {
      await client.loadAdapter(name, directory);
      await probeAdapter(client, name);
    }
    this.#restarts = 0;
    this.#isWell = true;
  }

  /** Waits until the server answers, and starts its process again where that has ended: the wait is then that of a start. */
  async #answer(limit: TimeLimit): Promise<void> {
    const { client, process, clock, logger, signal, startTimeoutMs } = this.#parts;
    let toldAt = clock.now();
    for (;;) {
      signal.throwIfAborted();
      if (process?.isRunning === false) {
        this.#startAgain(process);
        limit.restart(startTimeoutMs);
      }
      if (await client.isHealthy()) return;
      if (limit.isOver) throw this.#stayedAway(limit);
      if (clock.now() - toldAt >= progressMs) {
        toldAt = clock.now();
        const said = process?.lastLine === undefined ? '' : `: ${process.lastLine.slice(0, 200)}`;
        logger.info(`waiting for vLLM at ${client.url} (${Math.round(limit.waitedMs / 1_000)} s)${said}`);
      }
      await clock.wait(pollMs, signal, this.#waiting === 0);
    }
  }

  /** Starts the process again. One that never ran well is not started a second time: its reason to end would be the same. */
  #startAgain(process: VllmProcess): void {
    const failure = process.failure();
    if (failure.code === 'command-unavailable' || this.#hasEnded(process)) throw failure;
    if (this.#restarts !== undefined) {
      this.#restarts += 1;
      this.#parts.logger.warn(`${failure.message}\nstarting it again (${this.#restarts} of ${maxRestarts})`);
    }
    process.start();
  }

  #hasEnded(process: VllmProcess): boolean {
    return this.#restarts === undefined ? process.wasStarted : this.#restarts === maxRestarts;
  }

  #stayedAway({ waitedMs }: TimeLimit): BackendError {
    const { client, process } = this.#parts;
    const printed = process?.lastLine === undefined ? '' : ` It printed last: ${process.lastLine}`;
    return new BackendError(
      `vLLM at ${client.url} has not answered for ${Math.round(waitedMs / 1_000)} s.${printed} Start it again; the run goes on from its last checkpoint.`,
      { code: 'backend-failed', retryable: true },
    );
  }
}
