import {
  LightningError,
  MemoryStore,
  Runner,
  type LightningStore,
  type RunnerHooks,
  type TrainablePolicy,
} from '@agent-lightning/core';
import { Gateway, type SamplingOptions } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import type { Grpo } from './grpo.ts';
import type { ResolvedTrainerOptions, TrainingGateway } from './trainer-options.ts';

export interface SessionOptions<Task> {
  readonly trainer: ResolvedTrainerOptions<Task>;
  readonly policy: SamplablePolicy;
  readonly runId: string;
  /** Where the SQLite store goes; undefined for a store in memory. */
  readonly storePath: string | undefined;
  readonly hooks: RunnerHooks;
}

/** What a session publishes: a policy that trains, or the base model as it is. */
export type SamplablePolicy = Pick<TrainablePolicy, 'publish'>;

/** The name under which agents and spans see the policy that trains. */
export const policyName = 'policy';

/** Everything that a run keeps open: store, gateway, and the runner that works in the background. */
export class Session<Task> {
  readonly store: LightningStore;
  readonly #policy: SamplablePolicy;
  /** Aborts, with the reason, when the runner cannot go on. */
  readonly failed: AbortSignal;
  readonly #gateway: TrainingGateway;
  readonly #runner: Runner<Task>;
  readonly #failure: AbortController;
  #running: Promise<unknown> | undefined;
  readonly #closers: readonly (() => Promise<void>)[];

  private constructor(parts: {
    store: LightningStore;
    policy: SamplablePolicy;
    gateway: TrainingGateway;
    runner: Runner<Task>;
    failure: AbortController;
    closers: readonly (() => Promise<void>)[];
  }) {
    this.store = parts.store;
    this.#policy = parts.policy;
    this.#gateway = parts.gateway;
    this.#runner = parts.runner;
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
    const { trainer, policy } = options;
    const closers: (() => Promise<void>)[] = [];
    const failure = new AbortController();
    try {
      const store = trainer.store ?? (await openStore(options.storePath));
      if (trainer.store === undefined) closers.unshift(() => store.close());
      const gateway =
        trainer.gateway ??
        (await Gateway.start({
          store,
          policy: policyName,
          seed: trainer.seed,
          sampling: samplingOf(trainer.algorithm),
        }));
      if (trainer.gateway === undefined) closers.unshift(() => gateway.close());
      const runner = new Runner({
        store,
        gateway,
        rollout: trainer.rollout,
        concurrency: trainer.runners,
        attemptTimeoutMs: trainer.attemptTimeoutMs,
        runId: options.runId,
        hooks: options.hooks,
        onError: (error) => {
          if (isStoreLost(error)) failure.abort(error);
          else trainer.logger.warn(describe(error));
        },
      });
      return new Session({ store, policy, gateway, runner, failure, closers });
    } catch (error) {
      for (const close of closers) await close();
      throw error;
    }
  }

  /** Makes the policy's weights as they are now what agents sample from. */
  async publish(version: number): Promise<void> {
    await this.#gateway.publish(policyName, await this.#policy.publish(version));
  }

  /** Stops the runner, aborting the rollouts that still run, and closes what this session opened. */
  async close(): Promise<void> {
    await this.#runner.stop({ abort: true });
    await this.#running;
    for (const close of this.#closers) await close();
  }
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
