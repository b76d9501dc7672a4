import { ConfigurationError } from '@agent-lightning/core';

/** Bounds model calls; the gateway and `serve` share these options. */
export interface CallLimitOptions {
  /** The longest time from admission to the last byte of a call, retries included. @default 600_000 */
  readonly callTimeoutMs?: number;
  /** The longest silence of an HTTP upstream. @default 120_000 */
  readonly stallTimeoutMs?: number;
  /** The most tries after the first; a call is tried again only before its first byte. @default 5 */
  readonly maxRetries?: number;
  /** The first wait between tries is drawn from 0 to this, and doubles. @default 500 */
  readonly retryBaseMs?: number;
  /** The longest wait between tries. @default 8_000 */
  readonly retryMaxMs?: number;
  /** The longest body of a request, counted while it is read and again after decompression. @default 20 MiB */
  readonly maxBodyBytes?: number;
  /**
   * The most values in a request, counted before it is parsed: a number counts as 1; a text, a field, a list and an object as 4.
   * A request at the default holds the event loop for a third of a second at most, on a server's processor. @default 1_000_000
   */
  readonly maxBodyValues?: number;
  /** The most memory that the bodies of all requests in flight may hold: their bytes, and 24 for each value. @default 512 MiB */
  readonly maxHeldBytes?: number;
  /** The longest time that a request waits for room in `maxHeldBytes` before it is told to come back. @default 60_000 */
  readonly bodyWaitMs?: number;
  /** The longest reply of an HTTP upstream. @default 256 MiB */
  readonly maxReplyBytes?: number;
}

/** The limits of every call, with their defaults. */
export interface CallLimits extends Required<CallLimitOptions> {
  /** Returns a random number in [0, 1). */
  readonly random: () => number;
}

/** Returns the error for a value that an option cannot have. */
export function invalidOption(message: string): ConfigurationError {
  return new ConfigurationError(`gateway: ${message}`, { code: 'option-invalid' });
}

/** Returns the value of an option that must be an integer. @throws {ConfigurationError} `option-invalid` when it is no integer in the range */
export function integerOption(
  name: string,
  value: number,
  low: number,
  high: number = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isInteger(value) || value < low || value > high)
    throw invalidOption(`${name} must be an integer from ${low} to ${high}, not ${value}`);
  return value;
}

/** The longest time that setTimeout takes; it fires at once beyond this. */
export const longestTimerMs = 2_147_483_647;

/** Returns the limits with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveCallLimits(options: CallLimitOptions): CallLimits {
  return Object.freeze({
    random: Math.random,
    callTimeoutMs: integerOption('callTimeoutMs', options.callTimeoutMs ?? 600_000, 1, longestTimerMs),
    stallTimeoutMs: integerOption('stallTimeoutMs', options.stallTimeoutMs ?? 120_000, 1, longestTimerMs),
    maxRetries: integerOption('maxRetries', options.maxRetries ?? 5, 0, 100),
    retryBaseMs: integerOption('retryBaseMs', options.retryBaseMs ?? 500, 0, longestTimerMs),
    retryMaxMs: integerOption('retryMaxMs', options.retryMaxMs ?? 8_000, 0, longestTimerMs),
    maxBodyBytes: integerOption('maxBodyBytes', options.maxBodyBytes ?? 20 * 1024 * 1024, 1),
    maxBodyValues: integerOption('maxBodyValues', options.maxBodyValues ?? 1_000_000, 1),
    maxHeldBytes: integerOption('maxHeldBytes', options.maxHeldBytes ?? 512 * 1024 * 1024, 1),
    bodyWaitMs: integerOption('bodyWaitMs', options.bodyWaitMs ?? 60_000, 0, longestTimerMs),
    maxReplyBytes: integerOption('maxReplyBytes', options.maxReplyBytes ?? 256 * 1024 * 1024, 1),
  });
}
