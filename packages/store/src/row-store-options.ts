import { randomUUID } from 'node:crypto';
import { ConfigurationError } from '@agent-lightning/core';
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
    watchdogIntervalMs: checkInterval(watchdogIntervalMs),
    keepEvents: checkKeepEvents(keepEvents),
  };
}

function checkInterval(intervalMs: number): number {
  if (Number.isSafeInteger(intervalMs) && intervalMs >= 0 && intervalMs < 2 ** 31) return intervalMs;
  throw new ConfigurationError(`watchdogIntervalMs must be a whole number of milliseconds from 0; got ${intervalMs}`, {
    code: 'option-invalid',
  });
}

function checkKeepEvents(count: number): number {
  if (Number.isSafeInteger(count) && count >= 1_000) return count;
  throw new ConfigurationError(`keepEvents must be a whole number from 1000; got ${count}`, { code: 'option-invalid' });
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
