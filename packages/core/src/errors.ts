import { hideKey } from './hide-key.ts';
import { toTerminalText } from './terminal-text.ts';

/** Every code that an error of this project can carry; grouped by the boundary that raises it. */
export type LightningErrorCode =
  // configuration
  | 'option-invalid'
  | 'option-unsupported'
  | 'tasks-invalid'
  // trace
  | 'no-rollout'
  | 'span-invalid'
  | 'reward-invalid'
  | 'reward-missing'
  | 'tokens-invalid'
  // adapter
  | 'adapter-unsupported'
  // store
  | 'store-invalid'
  | 'store-not-found'
  | 'store-conflict'
  | 'store-fenced'
  | 'store-unavailable'
  | 'store-full'
  | 'store-readonly'
  | 'store-schema'
  | 'store-corrupt'
  | 'store-closed'
  // gateway
  | 'request-invalid'
  | 'request-too-large'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'attempt-unknown'
  | 'paused'
  | 'port-unavailable'
  | 'upstream-rejected'
  | 'upstream-failed'
  | 'upstream-malformed'
  | 'upstream-timeout'
  // training backend and sampling engine
  | 'checkpoint-unsupported'
  | 'checkpoint-corrupt'
  | 'context-exceeded'
  | 'loss-unsupported'
  | 'samples-invalid'
  | 'numerics'
  | 'backend-closed'
  | 'session-lost'
  | 'backend-failed'
  // trainer
  | 'no-signal'
  | 'off-policy'
  | 'failures-rose'
  | 'update-too-large'
  | 'limit-reached'
  | 'resume-mismatch'
  | 'run-locked'
  | 'disk-full'
  // user code
  | 'agent-failed'
  | 'hook-failed'
  | 'command-unavailable'
  | 'command-failed'
  // time
  | 'timed-out'
  | 'cancelled';

export interface LightningErrorOptions {
  readonly code: LightningErrorCode;
  /** True when the same call, unchanged, may succeed later. @default false */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

const marker: symbol = Symbol.for('agentlightning.error.v1');

/** The base of every error that this project throws: a code, whether to retry, and the cause. */
export class LightningError extends Error {
  /** Returns what a server said, for a message, without the key that it was given, in any form that a server may write it. */
  static readonly hideKey: (text: string, apiKey: string | undefined) => string = hideKey;

  readonly code: LightningErrorCode;
  readonly retryable: boolean;

  constructor(message: string, options: LightningErrorOptions) {
    // A message may repeat what an agent, a model or a server wrote, and it is printed.
    super(toTerminalText(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.retryable = options.retryable ?? false;
    Object.defineProperty(this, marker, { value: true });
  }

  /** Tells whether a value is an error of any copy of this package in the process; `instanceof` knows only those of one copy. */
  static isInstance(error: unknown): error is LightningError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[marker] === true;
  }
}

/** An option, a file or an environment variable that the user gave is not usable. */
export class ConfigurationError extends LightningError {}
/** A span, a reward or a token array that must not enter a trace. */
export class TraceError extends LightningError {}
/** A framework that cannot be hooked as the adapter needs. */
export class AdapterError extends LightningError {}
/** The store refused or could not do an operation. */
export class StoreError extends LightningError {}
/** A model call that the gateway refused or could not serve. */
export class GatewayError extends LightningError {}
/** A training backend or sampling engine that failed, or refused its input. */
export class BackendError extends LightningError {}
/** A training run that cannot go on. */
export class TrainerError extends LightningError {}
/** The user's agent, reward function or hook threw. */
export class UserCodeError extends LightningError {}
/** Something took longer than its limit, or was cancelled. */
export class TimeoutError extends LightningError {}
