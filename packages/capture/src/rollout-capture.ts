import { createHash, randomUUID } from 'node:crypto';
import {
  check,
  ConfigurationError,
  StoreError,
  type ModelGateway,
  type LightningStore,
  rewardAttributes,
  type RewardValue,
  type JsonValue,
  type Failure,
  type SpanInput,
} from '@agent-lightning/core';
import { isId } from '@agent-lightning/store';
import { deriveTraceId, randomSpanId, describeValue, currentRollout } from '@agent-lightning/tracing';
import { CaptureLedger, type CaptureStatistics } from './capture-ledger.ts';
import { resolveCaptureOptions, type CaptureOptions, type ResolvedCaptureOptions } from './capture-options.ts';
import { LiveRollout } from './live-rollout.ts';
import { isSampled } from './sampling.ts';
import { SpanBuffer } from './span-buffer.ts';
import { WriteQueue, type RewardReceipt } from './write-queue.ts';

export interface CaptureRunOptions {
  /** The id of the rollout, such as that of the request; 1 to 200 characters of `[A-Za-z0-9._:-]`, and not used before. @default generated */
  readonly rolloutId?: string;
  /** Metadata that is kept with the rollout, redacted like everything else. @default none */
  readonly metadata?: { readonly [key: string]: JsonValue };
  /** Serves the agents that `agentMatch` selects and keeps messages and tokens; made with `capture.spanStore` as its store. @default none */
  readonly gateway?: ModelGateway;
  /** Aborts the model calls that go through the gateway. @default none */
  readonly signal?: AbortSignal;
}

type RewardAttributesOptions = NonNullable<Parameters<typeof rewardAttributes>[1]>;

export interface FeedbackOptions extends RewardAttributesOptions {
  /** The same id twice is one reward. @default random */
  readonly feedbackId?: string;
}

const runOptionNames: Readonly<Record<keyof CaptureRunOptions, true>> = {
  rolloutId: true,
  metadata: true,
  gateway: true,
  signal: true,
};

const feedbackNames: Readonly<Record<keyof FeedbackOptions, true>> = { feedbackId: true, scope: true, primary: true };

/** A run of live traffic; hand `rolloutId` to whoever may give feedback later. */
export interface CapturedRun {
  readonly rolloutId: string;
  /** Runs `work` inside the rollout; it rejects with what `work` throws, and with nothing else. May be called again. */
  run<Result>(work: () => Result): Promise<Awaited<Result>>;
  /** Ends the run, as failed when an error is given. Call it when a stream has ended; ending again does nothing. */
  end(outcome?: { readonly error?: unknown }): void;
}

/**
 * Records live traffic as rollouts in the background. A run is traced in memory, and redacted and written after it has
 * ended; the request never waits for the store and never sees it fail.
 */
export class RolloutCapture {
  /** The store to give to a gateway, so that what the gateway captures is sampled, redacted and written with the run. */
  readonly spanStore: Pick<LightningStore, 'appendSpans'>;
  readonly #options: ResolvedCaptureOptions;
  readonly #ledger: CaptureLedger;
  readonly #queue: WriteQueue;
  readonly #buffers = new Map<string, SpanBuffer>();
  readonly #live = new Map<string, { readonly run: LiveRollout; readonly ended: Promise<void> }>();
  #isClosed = false;

  /** @throws {ConfigurationError} `option-invalid` */
  constructor(options: CaptureOptions) {
    this.#options = resolveCaptureOptions(options);
    this.#ledger = new CaptureLedger(this.#options);
    this.#queue = new WriteQueue(this.#options, this.#ledger);
    this.spanStore = {
      appendSpans: async (lease, spans) => this.#buffers.get(lease.rolloutId)?.add(spans) ?? spans.map(() => 0),
    };
  }

  get statistics(): CaptureStatistics {
    return this.#ledger.statistics;
  }

  /** Captures one run from its start to the end of `work`. Rejects with what `work` throws, and with nothing else. */
  async run<Result>(
    input: unknown,
    work: (run: CapturedRun) => Result,
    options: CaptureRunOptions = {},
  ): Promise<{ readonly rolloutId: string; readonly result: Awaited<Result> }> {
    const run = this.start(input, options);
    try {
      const result = await run.run(() => work(run));
      run.end();
      return { rolloutId: run.rolloutId, result };
    } catch (error) {
      run.end({ error });
      throw error;
    }
  }

  /** Begins a run that ends later, such as with the last byte of a stream. Never throws. Inside a rollout it is that rollout. */
  start(input: unknown, options: CaptureRunOptions = {}): CapturedRun {
    const outer = currentRollout();
    if (outer !== undefined) return passThrough(outer.rollout.rolloutId);
    const known = this.#knownOptions(options);
    const rolloutId = this.#chooseId(known.rolloutId);
    const { run, ended } = this.#begin(rolloutId, input, known);
    this.#live.set(rolloutId, { run, ended });
    void ended.then(() => this.#live.delete(rolloutId));
    return run;
  }

  /**
   * Gives a rollout of this or any other process a reward, in the background: after the rollout itself, when that still waits. The
   * promise may be ignored; it never rejects.
   * @throws {TraceError} `reward-invalid`, {ConfigurationError} `option-invalid`, at once
   */
  reward(rolloutId: string, value: RewardValue, options: FeedbackOptions = {}): Promise<RewardReceipt> {
    check.knownOptions('capture.reward', options, feedbackNames);
    const { feedbackId, ...reward } = options;
    const attributes = rewardAttributes(value, reward);
    return this.#giveReward(rolloutId, {
      spanId: feedbackId === undefined ? randomSpanId() : spanIdOf(feedbackId),
      traceId: deriveTraceId(rolloutId),
      kind: 'reward',
      name: 'reward',
      status: { code: 'ok' },
      startTimeMs: Date.now(),
      endTimeMs: Date.now(),
      attributes,
    });
  }

  /** Resolves when what has ended until now is stored or dropped, or after the time: true when nothing waits. */
  async flush(options: { readonly timeoutMs?: number } = {}): Promise<boolean> {
    check.knownOptions('capture.flush', options, ['timeoutMs']);
    const { timeoutMs = 10_000 } = options;
    const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const done = this.#settle().then(() => true);
    return await Promise.race([done, tooLate]).finally(() => clearTimeout(timer));
  }

  /** Ends the records of the runs that go on, as cancelled, while their requests go on; writes what it can in the time, and drops and counts the rest. */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<CaptureStatistics> {
    check.knownOptions('capture.close', options, ['timeoutMs']);
    const { timeoutMs = 10_000 } = options;
    this.#isClosed = true;
    const live = [...this.#live.values()];
    const error = new StoreError('the capture was closed while the run went on', { code: 'cancelled' });
    for (const { run } of live) run.cancel(error);
    await Promise.all(live.map(({ ended }) => ended));
    await this.flush({ timeoutMs });
    this.#queue.close();
    return this.statistics;
  }

  /** Waits until the runs that have ended are in the queue: their spans arrive first. */
  async #settle(): Promise<void> {
    const ending = [...this.#live.values()].filter(({ run }) => run.isEnding);
    await Promise.all(ending.map(({ ended }) => ended));
    await this.#queue.idle();
  }

  #begin(
    rolloutId: string,
    input: unknown,
    options: CaptureRunOptions,
  ): { readonly run: LiveRollout; readonly ended: Promise<void> } {
    this.#ledger.started++;
    const startedAtMs = Date.now();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const buffer = this.#open(rolloutId, input, options);
    const { runId, gatewayTimeoutMs } = this.#options;
    const run = new LiveRollout({
      rolloutId,
      input: input as JsonValue,
      runId,
      spans: this.spanStore,
      gateway: options.gateway,
      gatewayTimeoutMs,
      signal: options.signal,
      onError: (error) => this.#ledger.report(error, rolloutId),
      onUntraceable: (reason, error) => this.#ledger.countUntraceable(reason, rolloutId, error),
      onEnd: (failure) => {
        if (buffer !== undefined) this.#finish(buffer, failure, startedAtMs);
        resolve();
      },
    });
    return { run, ended };
  }

  /** Makes the buffer in which a sampled run's spans wait; returns undefined for a run that is not kept. */
  #open(rolloutId: string, input: unknown, { metadata = {} }: CaptureRunOptions): SpanBuffer | undefined {
    const { sampleRate, seed } = this.#options;
    if (!isSampled(rolloutId, sampleRate, seed)) {
      this.#ledger.unsampled++;
      return undefined;
    }
    if (this.#isClosed) return this.#refuse('closed', rolloutId, 'the capture was closed before the run began');
    let json: string;
    try {
      // Now, for the agent may change its input; and as text, for what waits is counted.
      json = JSON.stringify({ input: input ?? null, metadata });
      if (!json.startsWith('{"input":')) throw new TypeError(`JSON has nothing for ${describeValue(input)}`);
    } catch (cause) {
      return this.#refuse('input-invalid', rolloutId, 'its input or metadata cannot be written as JSON', cause);
    }
    this.#ledger.live++;
    const buffer = new SpanBuffer(rolloutId, json, this.#ledger);
    this.#buffers.set(rolloutId, buffer);
    return buffer;
  }

  #refuse(reason: 'closed' | 'input-invalid', rolloutId: string, problem: string, cause?: unknown): undefined {
    const message = `rollout ${rolloutId} is not captured: ${problem}`;
    this.#ledger.drop(reason, rolloutId, new StoreError(message, { code: 'store-invalid', cause }));
  }

  #finish(buffer: SpanBuffer, failure: Failure | undefined, startedAtMs: number): void {
    this.#buffers.delete(buffer.rolloutId);
    this.#ledger.live--;
    const { sampleRate } = this.#options;
    const origin = { source: 'production', startedAtMs, endedAtMs: Date.now(), sampleRate };
    const rollout = buffer.close(origin, failure);
    if (rollout !== undefined) this.#queue.addRollout(rollout);
  }

  async #giveReward(rolloutId: string, span: SpanInput): Promise<RewardReceipt> {
    const { sampleRate, seed } = this.#options;
    if (!isSampled(rolloutId, sampleRate, seed)) {
      this.#ledger.rewardsDropped++;
      return 'not-sampled';
    }
    await this.#live.get(rolloutId)?.ended;
    return await this.#queue.addReward(rolloutId, span);
  }

  /** Returns the options of a run, and reports what is wrong with them: the request goes on with those that there are. */
  #knownOptions(options: CaptureRunOptions): CaptureRunOptions {
    try {
      check.knownOptions('capture.run', options, runOptionNames);
      return options;
    } catch (error) {
      this.#ledger.report(error);
      return typeof options === 'object' && options !== null ? options : {};
    }
  }

  #chooseId(given: string | undefined): string {
    if (given === undefined) return this.#generateId();
    if (isId(given) && !this.#live.has(given)) return given;
    const problem = isId(given) ? 'a run with this id goes on' : 'it must be 1 to 200 of [A-Za-z0-9._:-]';
    const chosen = this.#generateId();
    const message = `rolloutId ${describeValue(given).slice(0, 200)} was replaced by ${chosen}: ${problem}`;
    this.#ledger.report(new ConfigurationError(message, { code: 'option-invalid' }), chosen);
    return chosen;
  }

  #generateId(): string {
    try {
      return this.#options.generateRolloutId();
    } catch (cause) {
      const message = `generateRolloutId threw: ${describeValue(cause)}; a random UUID was taken`;
      this.#ledger.report(new ConfigurationError(message, { code: 'hook-failed', cause }));
      return randomUUID();
    }
  }
}

/** Records live traffic of a wrapped agent as rollouts, without a trainer. @throws {ConfigurationError} `option-invalid` */
export function captureRollouts(options: CaptureOptions): RolloutCapture {
  return new RolloutCapture(options);
}

/** Returns a run that records nothing: inside a rollout that a trainer runs, that one traces the code. */
function passThrough(rolloutId: string): CapturedRun {
  return {
    rolloutId,
    run: async <Result>(work: () => Result): Promise<Awaited<Result>> => await work(),
    end: () => undefined,
  };
}

function spanIdOf(feedbackId: string): string {
  const digest = createHash('sha256').update(feedbackId).digest('hex');
  return `f${digest.slice(0, 15)}`;
}
