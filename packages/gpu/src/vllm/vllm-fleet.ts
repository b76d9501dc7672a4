/** Keeps replicas of one model, and the adapters of published versions on all of them. */
import { randomBytes } from 'node:crypto';
import {
  BackendError,
  ConfigurationError,
  type PolicySnapshot,
  type ServerWatch,
  type Logger,
} from '@agent-lightning/core';
import type { Clock } from '@agent-lightning/platform';
import type { VllmServer } from './vllm-server.ts';
import { baseUrlOf, watchServers } from './watch-servers.ts';

export interface VllmFleetParts {
  readonly servers: readonly VllmServer[];
  readonly apiKey: string | undefined;
  /** Published versions of one policy that can be sampled at the same time. */
  readonly liveSnapshots: number;
  /** Adapters that one server holds at the same time. */
  readonly maxLoras: number;
  /** The longest time that a publish waits for calls on old versions to end, where it needs their place. */
  readonly drainTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A version that is to be published. */
export interface AdapterFiles {
  readonly policy: string;
  readonly version: number;
  /** A PEFT adapter directory that every server can read, until `discard`. */
  readonly directory: string;
  /** Called when no server needs the files any more. */
  readonly discard: () => Promise<void>;
}

interface Adapter extends AdapterFiles {
  readonly name: string;
  /** The servers that it is loaded on. */
  readonly servers: Set<VllmServer>;
}

const sweepMs = 1_000;

/**
 * Publishes each version under a name that was never used before: calls in flight keep the version that they began with,
 * and no cache of a server can mistake new weights for old ones.
 */
export class VllmFleet {
  readonly #parts: VllmFleetParts;
  /** A random part in the names of this run's adapters, so that two runs on one server do not use the same names. */
  readonly #run = randomBytes(4).toString('hex');
  /** The live versions of each policy, oldest first. */
  readonly #live = new Map<string, Adapter[]>();
  /** Versions that were replaced and are not yet unloaded everywhere: calls may still run on them. */
  readonly #leaving = new Set<Adapter>();
  readonly #names = new Set<string>();
  /** The watch that goes into every snapshot, so that calls wait while no server is well. */
  readonly #watch: ServerWatch;
  #lastCall: Promise<unknown> = Promise.resolve();
  #sweeping = false;

  constructor(parts: VllmFleetParts) {
    this.#parts = parts;
    this.#watch = watchServers(parts.servers);
  }

  get liveSnapshots(): number {
    return this.#parts.liveSnapshots;
  }

  /** Returns a snapshot of the base model, without an adapter. */
  baseSnapshot(): PolicySnapshot {
    return this.#toSnapshot(0, this.#parts.servers[0]!.base);
  }

  /** Resolves when every server answers under the version's name. Calls take effect in the order in which they are made. */
  publish(files: AdapterFiles): Promise<PolicySnapshot> {
    return this.#inOrder(async () => {
      await this.#wake();
      await this.#makeRoom(files.policy);
      const adapter = { ...files, name: this.#nameOf(files), servers: new Set<VllmServer>() };
      await this.#loadEverywhere(adapter);
      const live = this.#live.get(files.policy) ?? [];
      this.#live.set(files.policy, [...live, adapter]);
      this.#retireOld(files.policy);
      await this.#sweep();
      void this.#sweepLater();
      return this.#toSnapshot(files.version, adapter.name);
    });
  }

  /** Frees GPU memory for training, once no call runs; publishing wakes the servers. */
  sleep(): Promise<void> {
    return this.#inOrder(async () => {
      await this.#waitFor('calls to end before vLLM can sleep', async () => {
        const busy = await Promise.all(this.#parts.servers.map((server) => server.isBusy()));
        return !busy.includes(true);
      });
      await Promise.all(this.#parts.servers.map((server) => server.sleep()));
    });
  }

  /** Ends servers that this fleet started, and unloads its adapters from others. The files are discarded, since nothing can be sampled any more. */
  async close(): Promise<void> {
    await this.#lastCall;
    const adapters = [...[...this.#live.values()].flat(), ...this.#leaving];
    this.#live.clear();
    this.#leaving.clear();
    const closed = [
      ...(await Promise.allSettled(this.#parts.servers.map((server) => server.close()))),
      ...(await Promise.allSettled(adapters.map((adapter) => adapter.discard()))),
    ];
    for (const result of closed)
      if (result.status === 'rejected') this.#parts.logger.warn(`closing vLLM: ${String(result.reason)}`);
  }

  async #wake(): Promise<void> {
    await Promise.all(this.#parts.servers.map((server) => server.wake()));
  }

  /** Makes a place for one more adapter on every server. */
  async #makeRoom(policy: string): Promise<void> {
    const { maxLoras, liveSnapshots } = this.#parts;
    const count = (): number => [...this.#live.values()].reduce((sum, live) => sum + live.length, this.#leaving.size);
    if (count() >= maxLoras && this.#leaving.size === 0) {
      const policies = new Set([...this.#live.keys(), policy]).size;
      throw new ConfigurationError(
        `vllm: maxLoras is ${maxLoras}, which is too few for ${liveSnapshots} live versions of ${policies} policies and a new one; give at least ${policies * liveSnapshots + 1}.`,
        { code: 'option-invalid' },
      );
    }
    const names = (): string => [...this.#leaving].map(({ name }) => name).join(', ');
    await this.#waitFor(
      () => `calls on ${names()} to end, whose place a new version needs`,
      async () => {
        if (count() < maxLoras) return true;
        await this.#sweep();
        return count() < maxLoras;
      },
    );
  }

  /** Loads an adapter on all servers, or on none. */
  async #loadEverywhere(adapter: Adapter): Promise<void> {
    const { servers, logger } = this.#parts;
    const loaded = await Promise.allSettled(
      servers.map(async (server) => {
        await server.load(adapter.name, adapter.directory);
        adapter.servers.add(server);
      }),
    );
    const failed = loaded.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    for (const server of adapter.servers) {
      await server
        .unloadIfIdle(adapter.name)
        .catch((error: unknown) => logger.warn(`${adapter.name} stays loaded at ${server.url}: ${String(error)}`));
    }
    await adapter.discard();
    throw failed.reason;
  }

  #retireOld(policy: string): void {
    const live = this.#live.get(policy)!;
    while (live.length > this.#parts.liveSnapshots) this.#leaving.add(live.shift()!);
  }

  /** Unloads replaced versions wherever no call runs on them. */
  async #sweep(): Promise<void> {
    for (const adapter of this.#leaving) {
      for (const server of adapter.servers) {
        if (await server.unloadIfIdle(adapter.name)) adapter.servers.delete(server);
      }
      if (adapter.servers.size > 0) continue;
      this.#leaving.delete(adapter);
      await adapter.discard();
    }
  }

  /** Unloads busy adapters when their calls have ended, without waiting for the next publish. */
  async #sweepLater(): Promise<void> {
    const { clock, signal, logger } = this.#parts;
    if (this.#sweeping) return;
    this.#sweeping = true;
    while (this.#leaving.size > 0) {
      await clock.wait(sweepMs, signal, true);
      if (signal.aborted) break;
      await this.#inOrder(() => this.#sweep()).catch((error: unknown) =>
        logger.warn(`old versions stay loaded: ${String(error)}`),
      );
    }
    this.#sweeping = false;
  }

  async #waitFor(what: string | (() => string), isDone: () => Promise<boolean>): Promise<void> {
    const { clock, signal, logger, drainTimeoutMs } = this.#parts;
    const began = clock.now();
    for (let tries = 0; !(await isDone()); tries += 1) {
      const reason = typeof what === 'string' ? what : what();
      if (tries === 0) logger.info(`waiting for ${reason}`);
      if (clock.now() - began >= drainTimeoutMs) {
        throw new BackendError(
          `vLLM: waited ${Math.round(drainTimeoutMs / 1_000)} s for ${reason}. Raise maxLoras, or end the calls that hang.`,
          { code: 'backend-failed', retryable: true },
        );
      }
      await clock.wait(sweepMs, signal);
      signal.throwIfAborted();
    }
  }

  #nameOf({ policy, version }: AdapterFiles): string {
    const slug = policy.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64);
    const name = `agl-${this.#run}-${slug}-v${version}`;
    // A version that is published again, after a state was loaded, has other weights.
    let fresh = name;
    for (let again = 2; this.#names.has(fresh); again += 1) fresh = `${name}-${again}`;
    this.#names.add(fresh);
    return fresh;
  }

  #toSnapshot(version: number, model: string): PolicySnapshot {
    const [baseUrl, ...replicas] = this.#parts.servers.map(baseUrlOf);
    const { apiKey } = this.#parts;
    return {
      kind: 'openai',
      version,
      baseUrl: baseUrl!,
      model,
      watch: this.#watch,
      ...(replicas.length === 0 ? {} : { replicas }),
      ...(apiKey === undefined ? {} : { apiKey }),
    };
  }

  #inOrder<Result>(call: () => Promise<Result>): Promise<Result> {
    const result = this.#lastCall.then(call);
    this.#lastCall = result.catch(() => undefined); // the caller has the error; the next call does not depend on it
    return result;
  }
}
