import { check, ConfigurationError } from '@agent-lightning/core';

/** Bounds model calls; the gateway and `serve` share these options. */
export interface CallLimitOptions {
  /** The longest time from admission to the last byte of a call, retries included. @default 600_000 */
  readonly callTimeoutMs?: number;
  /**
   * The longest silence of an HTTP upstream within a reply: after the first token of a stream, or the first byte of a whole reply. Before
   * that a model may think, or wait for its turn, as long as `callTimeoutMs` allows. @default 120_000
   */
  readonly stallTimeoutMs?: number;
  /**
   * The time after which an agent that has got nothing is sent the head of a reply and white space or an SSE comment, and again after each
   * such time: Node's `fetch` gives up after 300 s without either. A call that fails afterwards has lost its error status: its connection
   * breaks, or its stream ends in an error event. 0: never. @default 240_000
   */
  readonly heartbeatMs?: number;
  /** The most tries after the first; a call is tried again only before its first byte. @default 5 */
  readonly maxRetries?: number;
  /** The longest first wait between tries; up to half of it is left off at random, and it doubles. @default 500 */
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

/** The names of these options. */
export const callLimitNames: Readonly<Record<keyof CallLimitOptions, true>> = {
  callTimeoutMs: true,
  stallTimeoutMs: true,
  heartbeatMs: true,
  maxRetries: true,
  retryBaseMs: true,
  retryMaxMs: true,
  maxBodyBytes: true,
  maxBodyValues: true,
  maxHeldBytes: true,
  bodyWaitMs: true,
  maxReplyBytes: true,
};

/** Returns the error for a value that an option cannot have. */
export function invalidOption(message: string): ConfigurationError {
  return new ConfigurationError(`gateway: ${message}`, { code: 'option-invalid' });
}

/** Returns the limits with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveCallLimits(options: CallLimitOptions): CallLimits {
  return Object.freeze({
    random: Math.random,
    callTimeoutMs: check.timerMs('gateway: callTimeoutMs', options.callTimeoutMs ?? 600_000, 1),
    stallTimeoutMs: check.timerMs('gateway: stallTimeoutMs', options.stallTimeoutMs ?? 120_000, 1),
    heartbeatMs: check.timerMs('gateway: heartbeatMs', options.heartbeatMs ?? 240_000, 0),
    maxRetries: check.wholeNumber('gateway: maxRetries', options.maxRetries ?? 5, 0, 100),
    retryBaseMs: check.timerMs('gateway: retryBaseMs', options.retryBaseMs ?? 500, 0),
    retryMaxMs: check.timerMs('gateway: retryMaxMs', options.retryMaxMs ?? 8_000, 0),
    maxBodyBytes: check.wholeNumber('gateway: maxBodyBytes', options.maxBodyBytes ?? 20 * 1024 * 1024, 1),
    maxBodyValues: check.wholeNumber('gateway: maxBodyValues', options.maxBodyValues ?? 1_000_000, 1),
    maxHeldBytes: check.wholeNumber('gateway: maxHeldBytes', options.maxHeldBytes ?? 512 * 1024 * 1024, 1),
    bodyWaitMs: check.timerMs('gateway: bodyWaitMs', options.bodyWaitMs ?? 60_000, 0),
    maxReplyBytes: check.wholeNumber('gateway: maxReplyBytes', options.maxReplyBytes ?? 256 * 1024 * 1024, 1),
  });
}
