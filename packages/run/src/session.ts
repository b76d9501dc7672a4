import { ConfigurationError, LightningError, type LightningStore, type PolicyRelease } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { Runner, type RunnerHooks } from '@agent-lightning/runner';
import { Gateway, type SamplingOptions } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import {
  type Grpo,
  baseModelName,
  isRouted,
  onlyPolicyName,
  type ResolvedTrainerOptions,
  type TrainingGateway,
} from '@agent-lightning/trainer';
import { RunnerLoad } from './rollouts/runner-load.ts';

export interface SessionOptions<Task> {
  readonly trainer: ResolvedTrainerOptions<Task>;
  readonly runId: string;
  /** Where the SQLite store goes; undefined for a store in memory. */
  readonly storePath: string | undefined;
  readonly hooks: RunnerHooks;
}

/** Everything that a run keeps open: store, gateway, and the runner that works in the background. */
export class Session<Task> {
  readonly store: LightningStore;
  /** Of the runner of this process. */
  readonly load: RunnerLoad;
  /** Aborts, with the reason, when the runner cannot go on. */
  readonly failed: AbortSignal;
  readonly #gateway: TrainingGateway;
  readonly #runner: Runner<Task>;
  readonly #failure: AbortController;
  #running: Promise<unknown> | undefined;
  readonly #closers: readonly (() => Promise<void>)[];

  private constructor(parts: {
    store: LightningStore;
    gateway: TrainingGateway;
    runner: Runner<Task>;
    load: RunnerLoad;
    failure: AbortController;
    closers: readonly (() => Promise<void>)[];
  }) {
    this.store = parts.store;
    this.#gateway = parts.gateway;
    this.#runner = parts.runner;
    this.load = parts.load;
    this.#closers = parts.closers;
    this.#failure = parts.failure;
    this.failed = parts.failure.signal;
  }

  /** Lets the runner claim; not before a version is published, and what a dead process left is cleared away. */
  start(): void {
    this.#running = this.#runner.run().catch((error: unknown) => this.#failure.abort(error));
  }

  /** Opens what the options do not already give; what was opened is closed again when something fails. */
  static async open<Task>(options: SessionOptions<Task>): Promise<Session<Task>> {
    const { trainer } = options;
    const closers: (() => Promise<void>)[] = [];
    const failure = new AbortController();
    try {
      const store = trainer.store ?? (await openStore(options.storePath));
      if (trainer.store === undefined) closers.unshift(() => store.close());
      const gateway =
        trainer.gateway ??
        (await Gateway.start({
          store,
          policy: onlyPolicyName,
          seed: trainer.seed,
          sampling: samplingOf(trainer.algorithm),
        }));
      if (trainer.gateway === undefined) closers.unshift(() => gateway.close());
      await routePolicies(gateway, trainer);
      const load = new RunnerLoad(trainer.runners);
      const runner = new Runner({
        store,
        gateway,
        rollout: load.count(trainer.rollout),
        concurrency: trainer.runners,
        attemptTimeoutMs: trainer.attemptTimeoutMs,
        runId: options.runId,
        hooks: options.hooks,
        onError: (error) => {
          if (isStoreLost(error)) failure.abort(error);
          else trainer.logger.warn(describe(error));
        },
      });
      return new Session({ store, gateway, runner, load, failure, closers });
    } catch (error) {
      for (const close of closers) await close();
      throw error;
    }
  }

  /** Has new calls answered by the release; those in flight end where they began. */
  async publish(policy: string, release: PolicyRelease): Promise<void> {
    await this.#gateway.publish(policy, release);
  }

  /** Stops the runner, aborting the rollouts that still run. */
  async stop(): Promise<void> {
    await this.#runner.stop({ abort: true });
    await this.#running;
  }

  /** Stops, and closes what this session opened. */
  async close(): Promise<void> {
    await this.stop();
    const failures: unknown[] = [];
    for (const close of this.#closers) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

/** Tells the gateway which policy answers whom, where there are several. */
async function routePolicies<Task>(
  gateway: TrainingGateway,
  { policies, backend }: ResolvedTrainerOptions<Task>,
): Promise<void> {
  if (!isRouted(policies)) return;
  if (gateway.route === undefined)
    throw new ConfigurationError(
      'Trainer: policies needs a gateway that routes calls by their callers, and the given one has no route(); leave gateway out, give a Gateway of this process, or hand on route() of connectGateway',
      { code: 'option-unsupported' },
    );
  const base = await backend.baseRelease();
  await gateway.route({
    policies: policies.map(({ name, agentMatch }) => ({ policy: name, agentMatch: agentMatch! })),
    ...(base === undefined ? {} : { otherwise: { name: baseModelName, release: base } }),
  });
}

async function openStore(path: string | undefined): Promise<LightningStore> {
  return path === undefined ? new MemoryStore() : await openSqliteStore({ path, durability: 'normal' });
}

/** Whether the store can take nothing more until somebody acts: then every further rollout would be lost, and the run ends. */
function isStoreLost(error: unknown): boolean {
  const codes: readonly string[] = ['store-full', 'store-readonly', 'store-corrupt'];
  return LightningError.isInstance(error) && codes.includes(error.code);
}

function samplingOf({ temperature, maxTokens }: Grpo): SamplingOptions {
  const limit = maxTokens === undefined ? {} : { maxTokens, maxTokensLimit: maxTokens };
  return { train: { temperature, ...limit }, val: { temperature: 0, ...limit }, test: { temperature: 0, ...limit } };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
