import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import {
  check,
  toTerminalText,
  type LightningStore,
  type Attempt,
  type Rollout,
  type RolloutMode,
  type ModelGateway,
} from '@agent-lightning/core';
import {
  resolveOpenTelemetryOptions,
  type OpenTelemetryOptions,
  type ResolvedOpenTelemetryOptions,
} from '@agent-lightning/observability';
import type { RolloutFunction } from './rollout-function.ts';
import type { RunnerHooks } from './runner-hooks.ts';

export interface RunnerOptions<Task> {
  /** The store whose queued rollouts are run. */
  readonly store: LightningStore;
  /** Runs the agent on one task and returns the reward. */
  readonly rollout: RolloutFunction<Task>;
  /** The gateway to which trained model calls go. @default none: `context.llm` throws, agents are only traced */
  readonly gateway?: ModelGateway;
  /** Rollouts that run at once in this process. @default 1 */
  readonly concurrency?: number;
  /** The name under which attempts are claimed; two runners must not share one. @default host name, process id and a random suffix */
  readonly workerId?: string;
  /** The time from an attempt's claim to its time-out; the shorter of this and the rollout's own `startToFinishMs` holds. @default none */
  readonly attemptTimeoutMs?: number;
  /** The time for which the store waits for a sign of life; a heartbeat goes out three times as often. @default 30_000 */
  readonly leaseMs?: number;
  /** The longest time that a hook may take. @default 30_000 */
  readonly hookTimeoutMs?: number;
  /** The queues to claim from. @default ['default'] */
  readonly queues?: readonly string[];
  /** The modes of rollouts to claim. @default every mode */
  readonly modes?: readonly RolloutMode[];
  /** The run whose rollouts to claim. @default every run */
  readonly runId?: string;
  /** Functions that are called around each rollout. @default none */
  readonly hooks?: RunnerHooks;
  /**
   * Says whether the app's own OpenTelemetry provider, registered with `@opentelemetry/api`, gets spans and metrics of rollouts, and whether with
   * texts. Where none is registered, nothing happens. @default true, without texts
   */
  readonly openTelemetry?: boolean | OpenTelemetryOptions;
  /** Called with what goes wrong beside the agent: hooks, heartbeats, writes. @default `process.emitWarning` */
  readonly onError?: (error: unknown, where: { readonly rollout?: Rollout; readonly attempt?: Attempt }) => void;
}

/** The options of a runner with every default filled in. */
export type ResolvedRunnerOptions<Task> = Readonly<
  Required<Omit<RunnerOptions<Task>, 'gateway' | 'attemptTimeoutMs' | 'modes' | 'runId' | 'openTelemetry'>> &
    Pick<RunnerOptions<Task>, 'gateway' | 'attemptTimeoutMs' | 'modes' | 'runId'> & {
      readonly openTelemetry: ResolvedOpenTelemetryOptions;
    }
>;

/** The longest delay that a timer of Node takes. */
const longestTimerMs = 2 ** 31 - 1;

const optionNames: Readonly<Record<keyof RunnerOptions<unknown>, true>> = {
  store: true,
  rollout: true,
  gateway: true,
  concurrency: true,
  workerId: true,
  attemptTimeoutMs: true,
  leaseMs: true,
  hookTimeoutMs: true,
  queues: true,
  modes: true,
  runId: true,
  hooks: true,
  openTelemetry: true,
  onError: true,
};

/** @throws {ConfigurationError} `option-invalid` */
export function resolveRunnerOptions<Task>(options: RunnerOptions<Task>): ResolvedRunnerOptions<Task> {
  check.knownOptions('Runner', options, optionNames);
  check.knownOptions('Runner: hooks', options.hooks ?? {}, ['onRolloutStart', 'onRolloutEnd']);
  if (typeof options.rollout !== 'function')
    throw check.optionInvalid('Runner: rollout', options.rollout, 'the function that runs the agent on one task');
  return Object.freeze({
    ...options,
    concurrency: check.wholeNumber('Runner: concurrency', options.concurrency ?? 1, 1, 100_000),
    workerId: options.workerId ?? createWorkerId(),
    leaseMs: check.timerMs('Runner: leaseMs', options.leaseMs ?? 30_000, 100),
    hookTimeoutMs: check.timerMs('Runner: hookTimeoutMs', options.hookTimeoutMs ?? 30_000),
    queues: options.queues ?? ['default'],
    hooks: options.hooks ?? {},
    openTelemetry: resolveOpenTelemetryOptions('Runner', options.openTelemetry),
    onError: options.onError ?? warn,
    ...(options.attemptTimeoutMs === undefined
      ? {}
      : { attemptTimeoutMs: check.timerMs('Runner: attemptTimeoutMs', options.attemptTimeoutMs) }),
  });
}

/** Returns the shorter of two optional limits, within what a timer can hold. */
export function shorterTimeoutMs(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined && other === undefined) return undefined;
  return Math.min(one ?? Infinity, other ?? Infinity, longestTimerMs);
}

function createWorkerId(): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9.-]/g, '-')
    .slice(0, 64);
  return `${host}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

function warn(error: unknown): void {
  process.emitWarning(toTerminalText(error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
}
