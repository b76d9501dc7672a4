import { randomUUID } from 'node:crypto';
import { check, type ConfigurationError, type LightningError, type LightningStore } from '@agent-lightning/core';
import { isId } from '@agent-lightning/store';

/** Names the place of a text that is about to be written. */
export interface RedactedText {
  readonly part: 'input' | 'metadata' | 'span' | 'failure';
  /** The attribute of a span, `name` or `status`. */
  readonly field?: string;
}

/** Returns the text as it may be written. It sees the texts, keys and numbers inside JSON one by one. */
export type Redact = (text: string, where: RedactedText) => string;

/** The reason for which a captured rollout is not in the store. */
export type CaptureDropReason = 'buffer-full' | 'input-invalid' | 'redaction-failed' | 'store-refused' | 'closed';

export interface CaptureOptions {
  /** The store that recorded runs go to. */
  readonly store: LightningStore;
  /** The share of runs that is written, 0 to 1; the rollout's id decides, alike in every process. @default 1 */
  readonly sampleRate?: number;
  /** Decides which share that is. @default 0 */
  readonly seed?: number;
  /**
   * Called in the background for every text of a rollout before anything of it is written. A rollout for which it throws is
   * dropped. Tokens spell the text that they stand for, so a model call keeps its own only if nothing of it was redacted.
   * @default nothing is redacted
   */
  readonly redact?: Redact;
  /** The run under which the store files captured rollouts. @default 'production' */
  readonly runId?: string;
  /** The bytes that may wait in memory, about; a rollout that does not fit any more is dropped, and counted. @default 64 MiB */
  readonly maxBufferedBytes?: number;
  /** The longest time that one call of the store may take before it is tried again. @default 10_000 */
  readonly writeTimeoutMs?: number;
  /** The longest time that a request waits for a gateway to open; then it goes on without one. @default 1_000 */
  readonly gatewayTimeoutMs?: number;
  /** Called with what goes wrong, while the request goes on. @default one `process.emitWarning` for each kind */
  readonly onError?: (error: LightningError, where: { readonly rolloutId?: string }) => void;
  /** Makes the id of a rollout: 1 to 200 characters of `[A-Za-z0-9._:-]`. @default a random UUID */
  readonly generateRolloutId?: () => string;
}

export type ResolvedCaptureOptions = Readonly<
  Required<Omit<CaptureOptions, 'redact'>> & Pick<CaptureOptions, 'redact'>
>;

const optionNames: Readonly<Record<keyof CaptureOptions, true>> = {
  store: true,
  sampleRate: true,
  seed: true,
  redact: true,
  runId: true,
  maxBufferedBytes: true,
  writeTimeoutMs: true,
  gatewayTimeoutMs: true,
  onError: true,
  generateRolloutId: true,
};

/** @throws {ConfigurationError} `option-invalid` */
export function resolveCaptureOptions(options: CaptureOptions): ResolvedCaptureOptions {
  check.knownOptions('captureRollouts', options, optionNames);
  const { sampleRate = 1, seed = 0, redact, runId = 'production' } = options;
  if (typeof options.store?.enqueue !== 'function') throw invalid('store', options.store, 'a store');
  if (!(sampleRate >= 0 && sampleRate <= 1)) throw invalid('sampleRate', sampleRate, 'a number from 0 to 1');
  if (!Number.isFinite(seed)) throw invalid('seed', seed, 'a finite number');
  if (redact !== undefined && typeof redact !== 'function') throw invalid('redact', redact, 'a function');
  if (!isId(runId)) throw invalid('runId', runId, '1 to 200 characters of [A-Za-z0-9._:-]');
  return Object.freeze({
    ...options,
    sampleRate,
    seed,
    runId,
    maxBufferedBytes: check.wholeNumber(
      'captureRollouts: maxBufferedBytes',
      options.maxBufferedBytes ?? 64 * 1024 * 1024,
    ),
    writeTimeoutMs: check.timerMs('captureRollouts: writeTimeoutMs', options.writeTimeoutMs ?? 10_000),
    gatewayTimeoutMs: check.timerMs('captureRollouts: gatewayTimeoutMs', options.gatewayTimeoutMs ?? 1_000),
    onError: options.onError ?? warnOnce(),
    generateRolloutId: options.generateRolloutId ?? randomUUID,
  });
}

function warnOnce(): (error: LightningError) => void {
  const warned = new Set<string>();
  return (error) => {
    if (warned.has(error.code)) return;
    warned.add(error.code);
    process.emitWarning(`captureRollouts: ${error.message} (${error.code}; told once, see capture.statistics)`);
  };
}

function invalid(name: string, value: unknown, expected: string): ConfigurationError {
  return check.optionInvalid(`captureRollouts: ${name}`, value, expected);
}
