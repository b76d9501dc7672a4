import { randomBytes } from 'node:crypto';
import {
  failureKinds,
  TimeoutError,
  type ModelGateway,
  type Claim,
  type LightningStore,
  type JsonValue,
  type LlmEndpoint,
  type Failure,
} from '@agent-lightning/core';
import {
  errorOutcome,
  exceptionAttributes,
  runInRollout,
  type RolloutScope,
  TraceRecorder,
} from '@agent-lightning/tracing';

export interface LiveRolloutOptions {
  readonly rolloutId: string;
  readonly input: JsonValue;
  readonly runId: string;
  /** Takes the spans of the run, without waiting. */
  readonly spans: Pick<LightningStore, 'appendSpans'>;
  readonly gateway: ModelGateway | undefined;
  readonly gatewayTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onError: (error: unknown) => void;
  /** Counts what cannot be traced. */
  readonly onUntraceable: NonNullable<RolloutScope['onUntraceable']>;
  /** Called once, when everything of the run has arrived at `spans`. */
  readonly onEnd: (failure: Failure | undefined) => void;
}

/** A run of live traffic, from its start to its end, without a store: its attempt exists in this process alone. */
export class LiveRollout {
  readonly #options: LiveRolloutOptions;
  readonly #claim: Claim;
  readonly #recorder: TraceRecorder;
  #scope: Promise<RolloutScope> | undefined;
  #ended = false;
  #isServed = false;
  /** The functions of the run that go on. */
  readonly #working = new Set<Promise<unknown>>();

  constructor(options: LiveRolloutOptions) {
    this.#options = options;
    this.#claim = createClaim(options);
    this.#recorder = new TraceRecorder({ store: options.spans, lease: this.#claim.lease });
  }

  get rolloutId(): string {
    return this.#options.rolloutId;
  }

  /** Tells whether `end` was called. */
  get isEnding(): boolean {
    return this.#ended;
  }

  /**
   * Runs `work` traced, as often as needed before `end`. It rejects with what `work` throws, and with nothing else.
   * The first call waits for the gateway, when there is one.
   */
  async run<Result>(work: () => Result): Promise<Awaited<Result>> {
    const scope = await (this.#scope ??= this.#openScope());
    const working = runWork(scope, work);
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }

  /** Ends the run, as failed when an error is given. What comes later is not traced; ending again does nothing. */
  end(outcome: { readonly error?: unknown } = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#finish(outcome, () => this.#closeGateway());
  }

  /**
   * Ends what is recorded of a run that goes on. Its requests go on, too: the gateway answers those that it has, and is told of the end
   * only after them; later ones go to the agents' own models.
   */
  cancel(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const close = (): Promise<void> => this.#closeGateway().catch(this.#options.onError);
    void this.#finish({ error }, async () => void Promise.allSettled(this.#working).then(close));
  }

  async #finish(outcome: { readonly error?: unknown }, closeGateway: () => Promise<void>): Promise<void> {
    const failure = 'error' in outcome ? toFailure(outcome.error) : undefined;
    try {
      if (failure !== undefined) this.#recordException(outcome.error);
      await closeGateway();
    } catch (error) {
      this.#options.onError(error);
    }
    await this.#recorder.close().catch(this.#options.onError);
    this.#options.onEnd(failure);
  }

  async #closeGateway(): Promise<void> {
    await this.#scope;
    if (this.#isServed) await this.#inTime('close', this.#options.gateway!.closeAttempt(this.#claim));
  }

  #recordException(error: unknown): void {
    const { status } = errorOutcome(error);
    this.#recorder.record({ kind: 'exception', name: 'exception', status, attributes: exceptionAttributes(error) });
  }

  async #openScope(): Promise<RolloutScope> {
    const llm = await this.#openGateway();
    this.#isServed = llm !== undefined;
    const scope: RolloutScope = {
      ...this.#claim,
      resources: {},
      recorder: this.#recorder,
      signal: this.#options.signal ?? new AbortController().signal,
      onUntraceable: this.#options.onUntraceable,
    };
    if (llm === undefined) return scope;
    // What an agent asks after its run has ended goes to its own model: the gateway does not serve it any more.
    return Object.defineProperty(scope, 'llm', { enumerable: true, get: () => (this.#ended ? undefined : llm) });
  }

  /** Opens the attempt at the gateway. When the gateway fails, the request goes on, and its agent calls its own model. */
  async #openGateway(): Promise<LlmEndpoint | undefined> {
    const { gateway, onError } = this.#options;
    if (gateway === undefined) return undefined;
    const opening = openAttempt(gateway, this.#claim);
    try {
      return await this.#inTime('open', opening);
    } catch (error) {
      onError(error);
      opening.then(() => gateway.closeAttempt(this.#claim)).catch(() => undefined); // it was told that this failed
      return undefined;
    }
  }

  async #inTime<Reply>(what: string, reply: Promise<Reply>): Promise<Reply> {
    const { gatewayTimeoutMs, rolloutId } = this.#options;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const message = `the gateway did not ${what} rollout ${rolloutId} within ${gatewayTimeoutMs} ms`;
      reject(new TimeoutError(message, { code: 'timed-out' }));
    }, gatewayTimeoutMs);
    try {
      return await Promise.race([reply, promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Turns a synchronous throw into a rejection. */
async function runWork<Result>(scope: RolloutScope, work: () => Result): Promise<Awaited<Result>> {
  return await runInRollout(scope, work);
}

/** Turns a synchronous throw into a rejection. */
async function openAttempt(gateway: ModelGateway, claim: Claim): Promise<LlmEndpoint> {
  return await gateway.openAttempt(claim);
}

/** Makes the claim that the run itself sees; the store is told of the run later. */
function createClaim({ rolloutId, input, runId }: LiveRolloutOptions): Claim {
  const now = Date.now();
  const attemptId = `live-${randomBytes(12).toString('hex')}`;
  return {
    lease: { rolloutId, attemptId, fencingToken: 0 },
    rollout: {
      rolloutId,
      input,
      mode: 'test',
      status: 'running',
      runId,
      queue: 'production',
      priority: 0,
      retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 },
      timeouts: {},
      metadata: {},
      attemptCount: 1,
      createdAtMs: now,
      availableAtMs: now,
    },
    attempt: {
      attemptId,
      rolloutId,
      attemptNumber: 1,
      status: 'running',
      workerId: 'production',
      startedAtMs: now,
      lastProgressAtMs: now,
      leaseExpiresAtMs: Number.MAX_SAFE_INTEGER,
    },
  };
}

function toFailure(error: unknown): Failure {
  return { code: failureKinds.codeOf(error), message: errorOutcome(error).status.message ?? '' };
}
