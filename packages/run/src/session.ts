import {
  LightningError,
  type Algorithm,
  type LightningStore,
  type Logger,
  type NamedResources,
  type Rollout,
  type Span,
  type TrainingGateway,
} from '@agent-lightning/core';
import {
  Gateway,
  resolveOwnModels,
  type GatewayOptions,
  type OwnModels,
  type SamplingOptions,
  type StructuredOutput,
} from '@agent-lightning/gateway';
import type { OpenTelemetryOptions } from '@agent-lightning/observability';
import { Runner, type RolloutFunction, type RunnerHooks } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { Outages } from './outlast-outages.ts';
import { nameInRun } from './rollouts/planned-rollout.ts';
import { readSpans } from './rollouts/read-spans.ts';
import { witnessStore } from './witness/witnessed-store.ts';
import { RunnerLoad } from './rollouts/runner-load.ts';
import { meterStore } from './spending/metered-store.ts';
import type { SpendMeter } from './spending/spend-meter.ts';

/** The name of a run's one policy, when it trains only one. */
export const onlyPolicyName = 'policy';

/** The options of model calls that a run hands on to its own gateway. */
export interface CallOptions extends Required<
  Pick<GatewayOptions, 'callTimeoutMs' | 'stallTimeoutMs' | 'heartbeatMs' | 'answersTo'>
> {
  /** The way in which structured output reaches the policy in train and val. */
  readonly structuredOutput: StructuredOutput;
}

export interface SessionOptions<Task> {
  readonly rollout: RolloutFunction<Task>;
  /** A store that stays open when the session is closed. @default a store of the session's own */
  readonly store: LightningStore | undefined;
  /** The path of a SQLite store of the session's own; undefined for a store in memory. */
  readonly storePath: string | undefined;
  /** A gateway that stays open when the session is closed. @default a gateway of the session's own, where the run has a policy */
  readonly gateway: TrainingGateway | undefined;
  /** True when agents ask a policy; without one there is no gateway, and they ask their own models. */
  readonly hasPolicy: boolean;
  /** The servers that agents ask by themselves, where a gateway of the session's own hands their calls on to those. @default none */
  readonly ownModels?: OwnModels | undefined;
  readonly sampling: Algorithm['sampling'];
  /** The options of the session's own gateway. @default those of the gateway */
  readonly calls?: Readonly<Partial<CallOptions>>;
  readonly seed: number;
  readonly runId: string;
  /** Rollouts that run at once; with 0, runners elsewhere run them all. */
  readonly runners: number;
  readonly attemptTimeoutMs: number;
  readonly hooks: RunnerHooks;
  /** Says what goes to the app's own OpenTelemetry provider. @default as of a Runner */
  readonly openTelemetry?: boolean | OpenTelemetryOptions;
  readonly logger: Logger;
  /** Counts the model calls of the rollouts. @default none */
  readonly meter?: SpendMeter;
  /** Ends the waits for a store or a gateway that is away. @default none ends them but their time */
  readonly interrupted?: AbortSignal;
}

interface SessionParts<Task> {
  readonly runId: string;
  readonly store: LightningStore;
  readonly gateway: TrainingGateway | undefined;
  /** Undefined where runners elsewhere run the rollouts. */
  readonly runner: Runner<Task> | undefined;
  readonly load: RunnerLoad;
  readonly failure: AbortController;
  readonly closers: readonly (() => Promise<void>)[];
}

/** Everything that a run keeps open: store, gateway, and the runner that works in the background. */
export class Session<Task> {
  readonly #runId: string;
  /** The store, whose operations wait while it is away. */
  readonly store: LightningStore;
  /** The gateway, whose operations wait while it is away; undefined where the run has no policy. */
  readonly gateway: TrainingGateway | undefined;
  /** The load of the runner of this process. */
  readonly load: RunnerLoad;
  /** Aborts, with the reason, when the runner cannot go on. */
  readonly failed: AbortSignal;
  readonly #runner: Runner<Task> | undefined;
  readonly #failure: AbortController;
  #running: Promise<unknown> | undefined;
  readonly #closers: readonly (() => Promise<void>)[];

  private constructor(parts: SessionParts<Task>) {
    this.#runId = parts.runId;
    this.store = parts.store;
    this.gateway = parts.gateway;
    this.#runner = parts.runner;
    this.load = parts.load;
    this.#closers = parts.closers;
    this.#failure = parts.failure;
    this.failed = parts.failure.signal;
  }

  /** Starts the runner. Call it after a version is published and the rollouts of an earlier process are cancelled. */
  start(): void {
    this.#running = this.#runner?.run().catch((error: unknown) => this.#failure.abort(error));
  }

  /** Checks the servers that agents ask by themselves, keys included, before anything runs. @throws {ConfigurationError} `option-invalid` */
  static checkOwnModels(owner: string, models: OwnModels): void {
    resolveOwnModels(owner, models);
  }

  /** Opens the store and the gateway that the options do not give; closes them again when something fails. */
  static async open<Task>(options: SessionOptions<Task>): Promise<Session<Task>> {
    const closers: (() => Promise<void>)[] = [];
    const failure = new AbortController();
    const { interrupted } = options;
    const signal = interrupted === undefined ? failure.signal : AbortSignal.any([failure.signal, interrupted]);
    const outages = new Outages({ logger: options.logger, signal });
    try {
      const opened = options.store ?? (await openStore(options.storePath));
      if (options.store === undefined) closers.unshift(() => opened.close());
      const store = witnessStore(options.meter === undefined ? opened : meterStore(opened, options.meter), {
        isExclusive: options.store === undefined,
        onChanged: (message) => options.logger.warn(message),
      });
      const gateway = options.gateway ?? (options.hasPolicy ? await startGateway(store, options) : undefined);
      if (gateway !== undefined && options.gateway === undefined) closers.unshift(() => gateway.close());
      const own = gateway === undefined ? await startOwn(store, options) : undefined;
      if (own !== undefined) closers.unshift(() => own.close());
      const load = new RunnerLoad(options.runners);
      const onError = (error: unknown): void => {
        if (isStoreLost(error)) failure.abort(error);
        else outages.report(error);
      };
      const used = gateway ?? own;
      const runner = options.runners === 0 ? undefined : openRunner(options, { store, gateway: used, load, onError });
      return new Session({
        runId: options.runId,
        store: outages.outlastStore(store),
        gateway: gateway === undefined ? undefined : outages.outlastGateway(gateway),
        runner,
        load,
        failure,
        closers,
      });
    } catch (error) {
      for (const close of closers) await close();
      throw error;
    }
  }

  /** Keeps resources under a name within the run, as planned rollouts name them: another run that shares the store has its own. */
  async putResources(resourcesId: string, resources: NamedResources): Promise<void> {
    await this.store.putResources(nameInRun(this.#runId, resourcesId), resources);
  }

  /** Returns the newest resources under a name within the run; undefined where there are none. */
  async findResources(resourcesId: string): Promise<NamedResources | undefined> {
    return (await this.store.getResources(nameInRun(this.#runId, resourcesId)))?.resources;
  }

  /** The address of the gateway, where it has one. */
  get gatewayUrl(): string | undefined {
    const { url } = (this.gateway ?? {}) as { readonly url?: unknown };
    return typeof url === 'string' ? url : undefined;
  }

  /** Returns the model calls that the gateway answers now; none where it does not tell. */
  openCalls(): ReturnType<NonNullable<TrainingGateway['openCalls']>> {
    return this.gateway?.openCalls?.() ?? [];
  }

  /** Reads the spans of these rollouts' newest attempts, without tokens: in the order of the rollouts, then of their sequence ids. */
  async readSpans(rollouts: readonly Rollout[]): Promise<readonly Span[]> {
    return await readSpans(this.store, rollouts);
  }

  /** Stops the runner, aborting the rollouts that still run. */
  async stop(): Promise<void> {
    await this.#runner?.stop({ abort: true });
    await this.#running;
  }

  /** Stops the runner, and closes what this session opened. */
  async close(): Promise<void> {
    await this.stop();
    const failures: unknown[] = [];
    for (const close of this.#closers) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

interface RunnerParts {
  readonly store: LightningStore;
  readonly gateway: TrainingGateway | undefined;
  readonly load: RunnerLoad;
  readonly onError: (error: unknown) => void;
}

function openRunner<Task>(options: SessionOptions<Task>, { store, gateway, load, onError }: RunnerParts): Runner<Task> {
  return new Runner({
    store,
    ...(gateway === undefined ? {} : { gateway }),
    rollout: load.count(options.rollout),
    concurrency: options.runners,
    attemptTimeoutMs: options.attemptTimeoutMs,
    runId: options.runId,
    hooks: options.hooks,
    ...(options.openTelemetry === undefined ? {} : { openTelemetry: options.openTelemetry }),
    onError,
  });
}

async function startGateway<Task>(store: LightningStore, options: SessionOptions<Task>): Promise<Gateway> {
  const { structuredOutput, ...limits } = options.calls ?? {};
  return await Gateway.start({
    ...limits,
    store,
    policy: onlyPolicyName,
    seed: options.seed,
    sampling: toSamplingOptions(options.sampling, structuredOutput),
  });
}

/** Starts the gateway of a run without a policy whose agents' calls are handed on to their own models. */
async function startOwn<Task>(store: LightningStore, options: SessionOptions<Task>): Promise<Gateway | undefined> {
  const { ownModels } = options;
  // What a call has cost is written when it ends: a process that is killed must not forget it.
  return ownModels === undefined ? undefined : await Gateway.start({ store, ownModels, writeDelayMs: 0 });
}

async function openStore(path: string | undefined): Promise<LightningStore> {
  return path === undefined ? new MemoryStore() : await openSqliteStore({ path, durability: 'normal' });
}

/** Tells whether the store takes no more writes until a person acts: then every further rollout would be lost, and the run ends. */
function isStoreLost(error: unknown): boolean {
  const codes: readonly string[] = ['store-full', 'store-readonly', 'store-corrupt'];
  return LightningError.isInstance(error) && codes.includes(error.code);
}

function toSamplingOptions(
  { temperature = 1, maxTokens }: Algorithm['sampling'] = {},
  structuredOutput: StructuredOutput = 'prompt',
): SamplingOptions {
  const limit = maxTokens === undefined ? {} : { maxTokens, maxTokensLimit: maxTokens };
  return {
    train: { temperature, ...limit, structuredOutput },
    // Validation asks as training does, so that it measures what is trained.
    val: { temperature: 0, ...limit, structuredOutput },
    // A verdict is about the agent as it samples in training.
    test: { temperature, ...limit, structuredOutput },
  };
}
