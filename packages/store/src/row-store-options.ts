import { randomUUID } from 'node:crypto';
import { check } from '@agent-lightning/core';
import { checkNumber } from './field-checks.ts';

/** What every store lets its user choose. */
export interface RowStoreOptions {
  /** The store's clock: milliseconds since the epoch. @default a clock of this process that never goes back */
  readonly now?: () => number;
  /** Makes the ids of rollouts and attempts. @default the prefix and 20 hex digits of a random UUID */
  readonly generateId?: (prefix: 'ro' | 'at') => string;
  /** How often this process looks for expired leases and clocks; 0 for never. @default 1_000 */
  readonly watchdogIntervalMs?: number;
  /** How many of the newest events a subscription can go back; the watchdog removes older ones. At least 1_000. @default 1_000_000 */
  readonly keepEvents?: number;
}

/** The options with every default filled in. */
export type ResolvedRowStoreOptions = Required<RowStoreOptions>;

/** @throws ConfigurationError `option-invalid` */
export function resolveRowStoreOptions({
  now,
  generateId = (prefix) => `${prefix}-${randomUUID().replaceAll('-', '').slice(0, 20)}`,
  watchdogIntervalMs = 1_000,
  keepEvents = 1_000_000,
}: RowStoreOptions): ResolvedRowStoreOptions {
  return {
    now: wholeMilliseconds(now) ?? monotonicNow(),
    generateId,
    watchdogIntervalMs: check.timerMs('watchdogIntervalMs', watchdogIntervalMs, 0),
    keepEvents: check.wholeNumber('keepEvents', keepEvents, 1_000),
  };
}

/** Wall-clock time at the start, then the process's own monotonic clock: a clock that is set does not expire leases. */
function monotonicNow(): () => number {
  const originMs = Date.now() - performance.now();
  return () => Math.floor(originMs + performance.now());
}

/** Databases keep moments as integers. */
function wholeMilliseconds(now: (() => number) | undefined): (() => number) | undefined {
  return now && (() => checkNumber('now()', Math.floor(now())));
}
