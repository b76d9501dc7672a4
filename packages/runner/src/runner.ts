import { check, ConfigurationError, LightningError, type Claim, type JsonValue } from '@agent-lightning/core';
import { backOffMs, systemClock, type BackOffLimits } from '@agent-lightning/platform';
import { AttemptRun } from './attempt-run.ts';
import type { AttemptOutcome } from './runner-hooks.ts';
import { resolveRunnerOptions, type ResolvedRunnerOptions, type RunnerOptions } from './runner-options.ts';

/** Counts the attempts by how they ended, since the runner was made. */
export type RunnerSummary = Readonly<Record<AttemptOutcome['status'], number>>;

/** Bounds the waits before a store that is unavailable is asked again. */
const claimRetries: BackOffLimits = { firstMs: 50, longestMs: 5_000 };

/**
 * Runs a user's rollout function on whatever a store has queued, `concurrency` at a time in this process.
 * It sleeps while the queue is empty, and a rollout that goes wrong is a result like any other.
 */
export class Runner<Task = JsonValue> {
  readonly workerId: string;
  readonly #options: ResolvedRunnerOptions<Task>;
  readonly #active = new Set<Promise<void>>();
  readonly #counts: Record<AttemptOutcome['status'], number> = {
    succeeded: 0,
    failed: 0,
    timeout: 0,
    cancelled: 0,
    lost: 0,
  };
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  #running: Promise<RunnerSummary> | undefined;
  #slotFreed: (() => void) | undefined;
  /** Ends the runner: the gateway would refuse the next attempts too. */
  #refusal: LightningError | undefined;

  /** @throws {ConfigurationError} `option-invalid` */
  constructor(options: RunnerOptions<Task>) {
    this.#options = resolveRunnerOptions(options);
    this.workerId = this.#options.workerId;
  }

  /** Rollouts that run now. */
  get active(): number {
    return this.#active.size;
  }

  /**
   * Works until `stop` is called or `signal` aborts; aborting also aborts the agents that run. Once per runner.
   * @throws what the store throws when it cannot be claimed from and a repetition would not help; {GatewayError} `upstream-rejected` when the gateway
   * lets this process open no attempts: what it had claimed fails as what is no doing of the agent
   */
  run(signal?: AbortSignal): Promise<RunnerSummary> {
    if (this.#running !== undefined) {
      throw new ConfigurationError(`Runner ${this.workerId} was already started; make another Runner to run more`, {
        code: 'option-invalid',
      });
    }
    const onAbort = (): void => void this.stop({ abort: true });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    this.#running = this.#work().finally(() => signal?.removeEventListener('abort', onAbort));
    return this.#running;
  }

  /** Claims nothing more, and resolves when the rollouts that run have ended; with `abort`, their signals abort now. */
  async stop(options: { readonly abort?: boolean } = {}): Promise<void> {
    check.knownOptions('Runner.stop', options, ['abort']);
    this.#drain.abort();
    if (options.abort === true) this.#abort.abort();
    this.#slotFreed?.();
    await this.#running?.catch(() => undefined); // `run` itself reports it
  }

  async #work(): Promise<RunnerSummary> {
    let failures = 0;
    try {
      while (!this.#drain.signal.aborted) {
        try {
          await this.#claimOnce();
          failures = 0;
        } catch (error) {
          if (!LightningError.isInstance(error) || !error.retryable) throw error;
          this.#options.onError(error, {});
          failures += 1;
          await systemClock.wait(backOffMs(failures, claimRetries), this.#drain.signal);
        }
      }
    } catch (error) {
      this.#abort.abort();
      throw error;
    } finally {
      this.#drain.abort();
      await Promise.all(this.#active);
    }
    if (this.#refusal !== undefined) throw this.#refusal;
    return { ...this.#counts };
  }

  /** Fills the free slots, or waits until there is a slot or something to fill it with. */
  async #claimOnce(): Promise<void> {
    const { store, concurrency } = this.#options;
    const limit = concurrency - this.#active.size;
    if (limit === 0) return await this.#waitForSlot();
    const filter = this.#filter();
    const claims = await store.claim({ workerId: this.workerId, leaseMs: this.#options.leaseMs, limit, ...filter });
    for (const claim of claims) this.#start(claim);
    if (claims.length > 0) return;
    await store.waitForWork(filter, { signal: this.#drain.signal }).catch((error: unknown) => {
      if (!this.#drain.signal.aborted) throw error;
    });
  }

  #filter(): Pick<ResolvedRunnerOptions<Task>, 'queues' | 'modes' | 'runId'> {
    const { queues, modes, runId } = this.#options;
    return { queues, ...(modes === undefined ? {} : { modes }), ...(runId === undefined ? {} : { runId }) };
  }

  #start(claim: Claim): void {
    const attempt = new AttemptRun(claim, this.#options, this.#abort.signal);
    const run = attempt.run().then((outcome) => {
      this.#counts[outcome.status]++;
      if (attempt.refusal !== undefined) {
        this.#refusal = attempt.refusal;
        this.#drain.abort();
      }
      this.#active.delete(run);
      this.#slotFreed?.();
    });
    this.#active.add(run);
  }

  async #waitForSlot(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#slotFreed = resolve;
    });
    this.#slotFreed = undefined;
  }
}
