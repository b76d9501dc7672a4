import { join } from 'node:path';
import {
  check,
  failureKinds,
  type Algorithm,
  type JsonValue,
  type LightningStore,
  type Logger,
  type RetryPolicy,
  type TrainingBackend,
  type TrainingGateway,
  type RoutedPolicy,
} from '@agent-lightning/core';
import { cleanLogger, createConsoleLogger } from '@agent-lightning/platform';
import {
  resolveOpenTelemetryOptions,
  type MetricWriter,
  type OpenTelemetryOptions,
} from '@agent-lightning/observability';
import {
  checkSpending,
  Session,
  type CallOptions,
  type ModelPrice,
  type ProgressMode,
  type RunLimits,
  type SessionOptions,
  type SpendingRules,
} from '@agent-lightning/run';
import type { RolloutFunction, RunnerHooks } from '@agent-lightning/runner';
import type { GroupReward } from './group-reward.ts';
import { resolvePolicies, type PolicyOptions } from './policy-options.ts';
import type { StepMetrics } from './step-metrics.ts';

type OwnModels = NonNullable<SessionOptions<never>['ownModels']>;

/** Functions of the user that are called around each rollout and after each step. An error that a hook throws is logged and changes nothing. */
export interface TrainerHooks<Metrics extends object = object> extends RunnerHooks {
  /** Gets the step's line of metrics, with the algorithm's own among them. */
  readonly onStep?: (metrics: StepMetrics<Metrics>) => Promise<void> | void;
}

export interface TrainerOptions<Task = JsonValue, Metrics extends object = object> {
  /** Runs the agent on one task and returns the reward. */
  readonly rollout: RolloutFunction<Task>;
  /**
   * Rewards every training rollout of a group at once, when all of them have ended, such as `compare({ model, rubric })`. What the rollout function returns in
   * training does not count then; held-out tasks, which run one by one, still get their reward from it. Rejected by an algorithm that compares rollouts of
   * different steps. @default none
   */
  readonly groupReward?: GroupReward<Task>;
  /**
   * The backend in which weights learn. Algorithms that train weights, such as `grpo(…)`, require it, but for a dry run on the agents' own
   * models; those that train none reject it.
   */
  readonly backend?: TrainingBackend;
  /** The way to improve the agent, such as `grpo(…)`. */
  readonly algorithm: Algorithm<Metrics>;
  /**
   * Several policies, trained in one run: each answers the callers that its `agentMatch` matches, the first in this order when
   * several do, and learns from their calls. Callers that none matches get the frozen base model, and are refused where the
   * backend cannot serve it. @default one policy named `policy`, for every call
   */
  readonly policies?: Readonly<Record<string, PolicyOptions>>;
  /**
   * Rollouts that run at once in this process. With 0, runners elsewhere run them all (`agent-lightning runner`), which takes a `store` that they
   * reach; hooks around rollouts, and `attemptTimeoutMs`, are theirs then. @default 8
   */
  readonly runners?: number;
  /** Seeds the order of the tasks and all random numbers that the backend draws. @default 0 */
  readonly seed?: number;
  /** The directory for everything that a run leaves: store, checkpoints, metrics, report. @default `runs/` and the time */
  readonly runDirectory?: string;
  /** A store of your own; it stays open when the run ends. @default a SQLite file in the run directory */
  readonly store?: LightningStore;
  /**
   * A gateway of your own; it stays open when the run ends. Give the store that it writes to as well. It samples by its own options:
   * a temperature or a limit of tokens belongs there, and is rejected in the algorithm; a verdict is sampled by its `sampling.test`.
   * @default a gateway on a free port of this machine; none where the algorithm trains no weights, and agents ask their own models
   */
  readonly gateway?: TrainingGateway;
  /**
   * The servers of the models that agents in other processes ask today, such as `{ openai: {} }`: in a run of an algorithm that trains no weights, `runCommand` then sends
   * their calls through a gateway of this machine, which hands them on byte for byte, puts in the prompts that the run tries, and counts what they cost. Address and key are read from
   * `OPENAI_BASE_URL` and `OPENAI_API_KEY`, or those of `ANTHROPIC`, where they are not given. Agents see neither, and nothing keeps the key. @default none: such agents ask their models themselves, unseen
   */
  readonly ownModels?: OwnModels;
  /** The longest time from an attempt's start to its end, in milliseconds. @default 600_000 */
  readonly attemptTimeoutMs?: number;
  /**
   * The longest time of one model call, in milliseconds. A model may be silent all the while: before its first token, nothing else ends
   * a call. More than an attempt may take has no effect. Rejected where a gateway is given, like the next three. @default 600_000
   */
  readonly callTimeoutMs?: number;
  /** The longest silence of a server after the first token of a reply. @default 120_000 */
  readonly stallTimeoutMs?: number;
  /** The time after which an agent that still waits for a reply gets a sign that the call goes on; 0: never. @default 240_000 */
  readonly heartbeatMs?: number;
  /**
   * The way in which an agent's structured output reaches the policy: `prompt` asks for the form in words and lets the policy sample freely;
   * `grammar` leaves it to the server, and trains where that reports the log-probabilities of what it samples under a grammar. @default 'prompt'
   */
  readonly structuredOutput?: 'prompt' | 'grammar';
  /**
   * Further names of models, whole or as patterns, that the policy answers to: those that unmodified agents have in their code, as
   * `['gpt-4o-mini', /./]` says. `/./` answers any name. May change when a run resumes; rejected where a gateway is given. @default none
   */
  readonly answersTo?: readonly (string | RegExp)[];
  /**
   * Says which failed attempts are tried again. To try failures of the policy again would train on its survivors.
   * @default failures of the world, such as a connection that broke: three attempts, one second before the second
   */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Sorts failures by the code or the name of their error, such as `{ PaymentError: 'world' }`. Failures of the `world` are tried again, then
   * left out; those of the `policy`, and those of unknown cause, count with `failureReward`. A failure that is known to be the policy's, such as
   * a recursion limit, cannot be sorted otherwise. May change when a run resumes. @default errors of the agent's own code are of unknown cause
   */
  readonly failures?: Readonly<Record<string, 'policy' | 'world'>>;
  /**
   * The reward of a rollout that failed by the policy's doing or for an unknown reason, in training and validation. It must not be above
   * what a rollout that succeeds may earn, or the agent learns to fail. May change when a run resumes. @default the lower of 0 and the
   * lowest return that was seen so far
   */
  readonly failureReward?: number;
  /** Returns the kind of a task; metrics and report then show the reward by kind. */
  readonly taskKind?: (task: Task) => string;
  /**
   * `shuffled` permutes the rewards among a step's rollouts before credit assignment: what still rises then is not
   * learned from the reward. Rewards and signals of single calls are left out. A search of prompts, which compares rollouts of different steps, gets rewards drawn from those of
   * its first step, and no feedback. @default 'none'
   */
  readonly control?: 'none' | 'shuffled';
  /** The number of steps in a row with nothing to learn from after which a run stops; as many in which the model was away for every rollout stop it too. @default 3 */
  readonly noSignalPatience?: number;
  /**
   * The number of steps that may be sampled ahead: while step s trains, the rollouts of steps up to s + maxStaleness run, on weights that are
   * at most so many versions old when their calls train. Older calls are left out and counted. 0 trains on fresh rollouts only,
   * and repeats exactly. May change when a run resumes. @default 0
   */
  readonly maxStaleness?: number;
  /**
   * KL(sampler ‖ trainer), in nats a token by k3, above which a step is off-policy; `noSignalPatience` such steps in a row stop
   * the run. Infinity never does. Rejected by an algorithm that trains no weights. @default 1
   */
  readonly maxDivergence?: number;
  /** The number of steps from one checkpoint to the next; a killed run redoes at most so many. @default 1 */
  readonly checkpointEvery?: number;
  /** Checkpoints that are kept. @default 2 */
  readonly keepCheckpoints?: number;
  /**
   * Limits of what the whole run may spend: rollouts, tokens, US dollars and minutes. At a limit the run is saved and ends as `limit-reached`; it goes on
   * when it is resumed with a higher one. May change when a run resumes. `evaluate` and `dev` keep them too, each by itself. @default none
   */
  readonly limits?: RunLimits;
  /**
   * Prices of models in US dollars for a million tokens, such as `{ 'my-model': { input: 0.4, output: 1.6 } }`; they replace the listed ones.
   * May change when a run resumes. @default list prices of well-known models; a policy on this machine costs nothing
   */
  readonly prices?: Readonly<Record<string, ModelPrice>>;
  /** Functions that are called around each rollout and after each step. @default none */
  readonly hooks?: TrainerHooks<Metrics>;
  /**
   * Writers that put the metrics of each step elsewhere too, such as `tensorBoard()` or `mlflow({ url })`. One that is away never stops a run, and
   * gets what it has missed when it is back. @default none
   */
  readonly metricWriters?: readonly MetricWriter[];
  /**
   * Says whether the app's own OpenTelemetry provider, registered with `@opentelemetry/api`, gets spans of rollouts and metrics of rollouts
   * and steps; `{ content: true }` adds texts. Where none is registered, nothing happens. @default true, without texts
   */
  readonly openTelemetry?: boolean | OpenTelemetryOptions;
  /** Takes what the run says. @default lines on standard error */
  readonly logger?: Logger;
  /** `live`: one line that is redrawn; `plain`: a line for each step. @default `live` on a terminal, else `plain` */
  readonly progress?: ProgressMode;
  /** Aborting it ends the run like Ctrl+C: the run is saved, and can be resumed. */
  readonly signal?: AbortSignal;
  /** Saves on SIGINT and SIGTERM while a run lasts; a second one stops at once. @default true */
  readonly handleSignals?: boolean;
  /** Returns the sentence that tells how to go on, shown when a run is interrupted. @default what to give to `fit` */
  readonly resumeHint?: (runDirectory: string) => string;
}

/** The options of a trainer with every default filled in. */
export interface ResolvedTrainerOptions<Task = JsonValue> {
  readonly rollout: RolloutFunction<Task>;
  readonly groupReward: GroupReward<Task> | undefined;
  readonly backend: TrainingBackend | undefined;
  readonly algorithm: Algorithm;
  readonly policies: readonly RoutedPolicy[];
  readonly runners: number;
  readonly seed: number;
  readonly runDirectory: string;
  readonly store: LightningStore | undefined;
  readonly gateway: TrainingGateway | undefined;
  readonly ownModels: OwnModels | undefined;
  readonly attemptTimeoutMs: number;
  readonly calls: CallOptions;
  readonly retry: Partial<RetryPolicy>;
  readonly failures: Readonly<Record<string, 'policy' | 'world'>>;
  readonly failureReward: number | undefined;
  readonly taskKind: ((task: Task) => string) | undefined;
  readonly control: 'none' | 'shuffled';
  readonly noSignalPatience: number;
  readonly maxStaleness: number;
  readonly maxDivergence: number;
  readonly checkpointEvery: number;
  readonly keepCheckpoints: number;
  readonly spending: SpendingRules;
  readonly hooks: TrainerHooks;
  readonly metricWriters: readonly MetricWriter[];
  readonly openTelemetry: boolean | OpenTelemetryOptions;
  readonly logger: Logger;
  readonly progress: ProgressMode;
  readonly signal: AbortSignal | undefined;
  readonly handleSignals: boolean;
  readonly resumeHint: (runDirectory: string) => string;
}

const optionNames: Readonly<Record<keyof TrainerOptions<never, never>, true>> = {
  rollout: true,
  groupReward: true,
  backend: true,
  algorithm: true,
  policies: true,
  runners: true,
  seed: true,
  runDirectory: true,
  store: true,
  gateway: true,
  ownModels: true,
  attemptTimeoutMs: true,
  callTimeoutMs: true,
  stallTimeoutMs: true,
  heartbeatMs: true,
  structuredOutput: true,
  answersTo: true,
  retry: true,
  failures: true,
  failureReward: true,
  taskKind: true,
  control: true,
  noSignalPatience: true,
  maxStaleness: true,
  maxDivergence: true,
  checkpointEvery: true,
  keepCheckpoints: true,
  limits: true,
  prices: true,
  hooks: true,
  metricWriters: true,
  openTelemetry: true,
  logger: true,
  progress: true,
  signal: true,
  handleSignals: true,
  resumeHint: true,
};

const retryNames: Readonly<Record<keyof RetryPolicy, true>> = {
  maxAttempts: true,
  retryOn: true,
  retryCodes: true,
  backoffMs: true,
  maxBackoffMs: true,
};

/** Checks the options of a trainer and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveTrainerOptions<Task, Metrics extends object>(
  options: TrainerOptions<Task, Metrics>,
  now: Date = new Date(),
): ResolvedTrainerOptions<Task> {
  check.knownOptions('Trainer', options, optionNames);
  check.knownOptions('Trainer: hooks', options.hooks ?? {}, ['onRolloutStart', 'onRolloutEnd', 'onStep']);
  check.knownOptions('Trainer: retry', options.retry ?? {}, retryNames);
  if (typeof options.rollout !== 'function')
    throw check.optionInvalid('Trainer: rollout', options.rollout, 'the function that runs the agent on one task');
  checkAlgorithm(options);
  if (options.runners === 0) checkRunsElsewhere(options);
  if (options.gateway !== undefined && options.store === undefined)
    throw check.optionInvalid('Trainer: store', undefined, 'the store that the given gateway writes to');
  const failures = failureKinds.checkSorting('Trainer: failures', options.failures ?? {});
  return Object.freeze({
    rollout: options.rollout,
    groupReward: checkGroupReward(options),
    backend: options.backend,
    algorithm: options.algorithm,
    policies: options.algorithm.uses.backend ? resolvePolicies(options.policies) : [],
    runners: check.wholeNumber('Trainer: runners', options.runners ?? 8, 0, 100_000),
    seed: check.wholeNumber('Trainer: seed', options.seed ?? 0, 0, 2 ** 31 - 1),
    runDirectory: options.runDirectory ?? defaultRunDirectory(now),
    store: options.store,
    gateway: options.gateway,
    ownModels: checkOwnModels(options),
    attemptTimeoutMs: check.timerMs('Trainer: attemptTimeoutMs', options.attemptTimeoutMs ?? 600_000),
    calls: resolveCalls(options),
    retry: { ...worldRetries, retryCodes: failureKinds.worldCodes(failures), ...options.retry },
    failures,
    failureReward: options.failureReward === undefined ? undefined : rewardSize('failureReward', options.failureReward),
    taskKind: options.taskKind,
    control: check.oneOf('Trainer: control', options.control ?? 'none', ['none', 'shuffled']),
    noSignalPatience: check.wholeNumber('Trainer: noSignalPatience', options.noSignalPatience ?? 3),
    maxStaleness: check.wholeNumber('Trainer: maxStaleness', options.maxStaleness ?? 0, 0),
    maxDivergence: divergenceLimit(options.maxDivergence ?? 1),
    checkpointEvery: check.wholeNumber('Trainer: checkpointEvery', options.checkpointEvery ?? 1),
    keepCheckpoints: check.wholeNumber('Trainer: keepCheckpoints', options.keepCheckpoints ?? 2),
    spending: checkSpending('Trainer', options),
    // The metrics of a run are those of its algorithm, which is what the hooks were written for.
    hooks: (options.hooks ?? {}) as TrainerHooks,
    metricWriters: (options.metricWriters ?? []).map(checkWriter),
    openTelemetry: resolveOpenTelemetryOptions('Trainer', options.openTelemetry) ?? false,
    logger: cleanLogger(options.logger ?? createConsoleLogger()),
    progress: check.oneOf('Trainer: progress', options.progress ?? (process.stderr.isTTY ? 'live' : 'plain'), [
      'live',
      'plain',
      'none',
    ]),
    signal: options.signal,
    handleSignals: options.handleSignals ?? true,
    resumeHint: options.resumeHint ?? defaultResumeHint,
  });
}

/** Rejects what a run without runners of its own would ignore. */
function checkRunsElsewhere<Task, Metrics extends object>(options: TrainerOptions<Task, Metrics>): void {
  const { store, hooks, attemptTimeoutMs, backend, gateway } = options;
  if (store === undefined)
    throw check.optionInvalid('Trainer: store', store, 'a store that runners elsewhere reach, since runners is 0');
  if (backend !== undefined && gateway === undefined)
    throw check.optionInvalid(
      'Trainer: gateway',
      gateway,
      'a gateway that agents elsewhere reach, such as Gateway.start({ host, adminKey, store }), since runners is 0',
    );
  for (const [name, value] of Object.entries({ attemptTimeoutMs, ...hooks, onStep: undefined }))
    if (value !== undefined)
      throw check.optionInvalid(
        `Trainer: ${name}`,
        value,
        'left out: the runners elsewhere have it, since runners is 0',
      );
}

function checkGroupReward<Task, Metrics extends object>({
  groupReward,
  algorithm: { name, uses },
}: Pick<TrainerOptions<Task, Metrics>, 'groupReward' | 'algorithm'>): GroupReward<Task> | undefined {
  if (groupReward === undefined) return undefined;
  if (typeof groupReward !== 'function')
    throw check.optionInvalid('Trainer: groupReward', groupReward, 'a function, such as what compare(…) returns');
  if (uses.comparesSteps !== true) return groupReward;
  throw check.optionInvalid(
    'Trainer: groupReward',
    'a function',
    `left out: ${name} compares rollouts of different steps, and scores within a group do not compare beyond it; return a reward from the rollout function, such as that of judge(…), or compare(…).against({ task, answer, reference }), which measures every answer from the same one`,
  );
}

function checkOwnModels<Task, Metrics extends object>({
  ownModels,
  gateway,
  runners,
  algorithm: { name, uses },
}: Pick<TrainerOptions<Task, Metrics>, 'ownModels' | 'gateway' | 'runners' | 'algorithm'>): OwnModels | undefined {
  if (ownModels === undefined) return undefined;
  Session.checkOwnModels('Trainer: ownModels', ownModels);
  const given = Object.keys(ownModels).join(', ');
  if (uses.backend)
    throw check.optionInvalid(
      'Trainer: ownModels',
      given,
      `left out: ${name} trains weights, and agents ask the policy`,
    );
  if (gateway !== undefined)
    throw check.optionInvalid(
      'Trainer: ownModels',
      given,
      'left out where a gateway is given, which has it as an option',
    );
  if (runners === 0)
    throw check.optionInvalid(
      'Trainer: ownModels',
      given,
      'left out since runners is 0: agents elsewhere do not ask through the gateway of this process; give it to theirs, as in Gateway.start({ ownModels })',
    );
  return ownModels;
}

function checkWriter(writer: MetricWriter): MetricWriter {
  const parts = [writer?.begin, writer?.write, writer?.end];
  if (typeof writer?.name === 'string' && parts.every((part) => typeof part === 'function')) return writer;
  throw check.optionInvalid('Trainer: metricWriters', writer, 'writers, such as what tensorBoard() returns');
}

/** The attempts at a rollout that fails by the world's doing, and the wait before the second one. */
const worldRetries: Partial<RetryPolicy> = { maxAttempts: 3, backoffMs: 1_000 };

/** The largest size of a reward, as for those of agents: a square of it is far from what a float32 can hold. */
const largestReward = 1e9;

function rewardSize(name: string, value: number): number {
  if (Math.abs(value) <= largestReward) return value;
  throw check.optionInvalid(`Trainer: ${name}`, value, 'a number from -1e9 to 1e9');
}

type GivenCallOptions = Partial<CallOptions> & Pick<TrainerOptions, 'gateway' | 'algorithm'>;

function resolveCalls(options: GivenCallOptions): CallOptions {
  const { callTimeoutMs, stallTimeoutMs, heartbeatMs, structuredOutput, answersTo, gateway, algorithm } = options;
  const given = Object.entries({ callTimeoutMs, stallTimeoutMs, heartbeatMs, structuredOutput, answersTo });
  const [name, value] = given.find(([, each]) => each !== undefined) ?? [];
  if (name !== undefined && gateway !== undefined)
    throw check.optionInvalid(
      `Trainer: ${name}`,
      value,
      'left out where a gateway is given, which has it as an option',
    );
  if (name !== undefined && !algorithm.uses.backend)
    throw check.optionInvalid(
      `Trainer: ${name}`,
      value,
      `left out: ${algorithm.name} trains no weights, and agents ask their own models`,
    );
  return {
    callTimeoutMs: check.timerMs('Trainer: callTimeoutMs', callTimeoutMs ?? 600_000),
    stallTimeoutMs: check.timerMs('Trainer: stallTimeoutMs', stallTimeoutMs ?? 120_000),
    heartbeatMs: check.timerMs('Trainer: heartbeatMs', heartbeatMs ?? 240_000, 0),
    structuredOutput: check.oneOf('Trainer: structuredOutput', structuredOutput ?? 'prompt', ['prompt', 'grammar']),
    answersTo: check.modelNames('Trainer: answersTo', answersTo ?? []),
  };
}

/** Rejects an algorithm that cannot do what the other options ask for, instead of ignoring one of them. */
function checkAlgorithm<Task>(options: Omit<TrainerOptions<Task>, 'hooks'>): void {
  const { algorithm, backend, gateway, maxStaleness = 0 } = options;
  if (typeof algorithm?.begin !== 'function')
    throw check.optionInvalid('Trainer: algorithm', algorithm, 'an algorithm, such as what grpo(…) returns');
  const { name, uses, sampling = {} } = algorithm;
  if (backend !== undefined && typeof backend?.createPolicy !== 'function')
    throw check.optionInvalid('Trainer: backend', backend, `a training backend, such as embedded({ model })`);
  if (!uses.backend) rejectWeightOptions(name, options);
  else if (uses.divergence === false && options.maxDivergence !== undefined)
    throw check.optionInvalid(
      'Trainer: maxDivergence',
      options.maxDivergence,
      `left out: ${name} imitates texts, whoever sampled them`,
    );
  if (!uses.samplingAhead && maxStaleness > 0)
    throw check.optionInvalid(
      'Trainer: maxStaleness',
      maxStaleness,
      `0: ${name} plans each step by what it learned before`,
    );
  if (gateway === undefined) return;
  // A gateway of the user's own was told how to sample when it was made.
  const elsewhere = 'left out where a gateway is given; that gateway samples by its own `sampling`';
  const { temperature = 1, maxTokens } = sampling;
  if (temperature !== 1) throw check.optionInvalid(`${name}.temperature`, temperature, elsewhere);
  if (maxTokens !== undefined) throw check.optionInvalid(`${name}.maxTokens`, maxTokens, elsewhere);
}

/** Rejects a trainer without a backend where its algorithm trains weights. @throws {ConfigurationError} `option-invalid` */
export function requireBackend({
  algorithm: { name, uses },
  backend,
}: Pick<ResolvedTrainerOptions, 'algorithm' | 'backend'>): void {
  if (uses.backend && backend === undefined)
    throw check.optionInvalid(
      'Trainer: backend',
      backend,
      `a training backend for ${name}, such as embedded({ model })`,
    );
}

type WeightOptions = Pick<TrainerOptions, 'backend' | 'policies' | 'maxDivergence'>;

function rejectWeightOptions(name: string, { backend, policies, maxDivergence }: WeightOptions): void {
  const unused = `left out: ${name} trains no weights`;
  if (backend !== undefined) throw check.optionInvalid('Trainer: backend', backend.name, unused);
  if (policies !== undefined) throw check.optionInvalid('Trainer: policies', Object.keys(policies).join(', '), unused);
  if (maxDivergence !== undefined) throw check.optionInvalid('Trainer: maxDivergence', maxDivergence, unused);
}

function divergenceLimit(limit: number): number {
  return limit === Infinity ? limit : check.positive('Trainer: maxDivergence', limit);
}

/** Returns the default directory of a run, such as `runs/2026-01-31T12-00-00`. */
function defaultRunDirectory(now: Date): string {
  return join('runs', now.toISOString().slice(0, 19).replaceAll(':', '-'));
}

function defaultResumeHint(runDirectory: string): string {
  return `to go on, run the same program with runDirectory: ${JSON.stringify(runDirectory)} and fit({ …, resume: true })`;
}
