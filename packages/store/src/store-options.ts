import { randomUUID } from 'node:crypto';
import { check } from '@agent-lightning/core';
import { checkNumber } from './field-checks.ts';

/** The options that every store has. */
export interface StoreOptions {
  /** The store's clock: milliseconds since the epoch. @default a clock of this process that never goes back */
  readonly now?: () => number;
  /** Makes the ids of rollouts and attempts. @default the prefix and 20 hex digits of a random UUID */
  readonly generateId?: (prefix: 'ro' | 'at') => string;
  /** Sets how often this process looks for expired leases and clocks; 0 for never. @default 1_000 */
  readonly watchdogIntervalMs?: number;
  /** Sets how many of the newest events a subscription can go back; the watchdog removes older ones. At least 1_000. @default 1_000_000 */
  readonly keepEvents?: number;
  /**
   * Sets how long a rollout is kept after its end, in milliseconds; the watchdog deletes older ones, with attempts, spans and tokens.
   * Longer than a run lasts, or is paused: a run that goes on needs its rollouts. @default Infinity
   */
  readonly keepEndedMs?: number;
}

/** Holds the options with every default filled in. */
export type ResolvedStoreOptions = Required<StoreOptions>;

/** The names of these options, for a store that has others besides. */
export const storeOptionNames: Readonly<Record<keyof StoreOptions, true>> = {
  now: true,
  generateId: true,
  watchdogIntervalMs: true,
  keepEvents: true,
  keepEndedMs: true,
};

/** Checks the options and fills in the defaults. @throws ConfigurationError `option-invalid` */
export function resolveStoreOptions({
  now,
  generateId = (prefix) => `${prefix}-${randomUUID().replaceAll('-', '').slice(0, 20)}`,
  watchdogIntervalMs = 1_000,
  keepEvents = 1_000_000,
  keepEndedMs = Infinity,
}: StoreOptions): ResolvedStoreOptions {
  return {
    now: wholeMilliseconds(now) ?? monotonicNow(),
    generateId,
    watchdogIntervalMs: check.timerMs('watchdogIntervalMs', watchdogIntervalMs, 0),
    keepEvents: check.wholeNumber('keepEvents', keepEvents, 1_000),
    keepEndedMs: keepEndedMs === Infinity ? Infinity : check.wholeNumber('keepEndedMs', keepEndedMs, 1),
  };
}

/** Returns a clock that shows wall-clock time at the start, then the process's own monotonic clock: a clock that is set does not expire leases. */
function monotonicNow(): () => number {
  const originMs = Date.now() - performance.now();
  return () => Math.floor(originMs + performance.now());
}

/** Makes a clock whole, since databases keep moments as integers. */
function wholeMilliseconds(now: (() => number) | undefined): (() => number) | undefined {
  return now && (() => checkNumber('now()', Math.floor(now())));
}
