import {
  failureKinds,
  StoreError,
  TimeoutError,
  TraceError,
  UserCodeError,
  rewardAttributes,
  type Claim,
  type NamedResources,
  type Failure,
} from '@agent-lightning/core';
import {
  capText,
  errorOutcome,
  exceptionAttributes,
  recordOutsideCalls,
  watchOutsideCalls,
  runInRollout,
  type RolloutScope,
  TraceRecorder,
  anthropicBaseUrl,
} from '@agent-lightning/tracing';
import { AttemptGuard, isLostLease } from './attempt-guard.ts';
import type { RolloutContext, RolloutEndpoint, RolloutResult } from './rollout-function.ts';
import type { AttemptOutcome } from './runner-hooks.ts';
import { shorterTimeoutMs, type ResolvedRunnerOptions } from './runner-options.ts';

/** One try of the user's agent at one rollout, from the claim to the final status. */
export class AttemptRun<Task> {
  readonly #claim: Claim;
  readonly #options: ResolvedRunnerOptions<Task>;
  readonly #guard: AttemptGuard;
  readonly #recorder: TraceRecorder;

  constructor(claim: Claim, options: ResolvedRunnerOptions<Task>, stop: AbortSignal) {
    this.#claim = claim;
    this.#options = options;
    this.#recorder = new TraceRecorder({ store: options.store, lease: claim.lease });
    this.#guard = new AttemptGuard({
      store: options.store,
      lease: claim.lease,
      heartbeatMs: Math.ceil(options.leaseMs / 3),
      timeoutMs: shorterTimeoutMs(options.attemptTimeoutMs, claim.rollout.timeouts.startToFinishMs),
      stop,
      onError: (error) => this.#report(error),
    });
  }

  /** Runs the attempt. It never rejects: whatever goes wrong is an outcome, and is written to the store where it still may be. */
  async run(): Promise<AttemptOutcome> {
    try {
      const outcome = await this.#attempt();
      return await this.#finish(await this.#write(outcome, () => this.#recorder.close()));
    } catch (error) {
      this.#report(error);
      return failureOutcome(error);
    } finally {
      this.#guard.release();
    }
  }

  /** Sets the scene, runs hooks and agent, and stores every span. */
  async #attempt(): Promise<AttemptOutcome> {
    let scope: RolloutScope;
    try {
      scope = await this.#openScope();
    } catch (error) {
      return this.#explain(error);
    }
    return await runInRollout(scope, async () => {
      await this.#hook('onRolloutStart', () => this.#options.hooks.onRolloutStart?.(this.#start()));
      const ended = await this.#runAgent(scope);
      recordOutsideCalls(scope);
      const outcome = await this.#storeSpans(ended);
      if (this.#options.hooks.onRolloutEnd === undefined || outcome.status === 'lost') return outcome;
      await this.#hook('onRolloutEnd', () =>
        this.#options.hooks.onRolloutEnd?.({ ...this.#start(), outcome, spans: () => this.#readSpans() }),
      );
      return outcome;
    });
  }

  async #openScope(): Promise<RolloutScope> {
    const { rollout, attempt, lease } = this.#claim;
    const resources = await this.#readResources();
    const llm = await this.#options.gateway?.openAttempt(this.#claim);
    if (llm !== undefined) watchOutsideCalls();
    return {
      rollout,
      attempt,
      lease,
      resources,
      recorder: this.#recorder,
      signal: this.#guard.signal,
      ...(llm === undefined ? {} : { llm }),
    };
  }

  async #readResources(): Promise<NamedResources> {
    const { rolloutId, resourcesId } = this.#claim.rollout;
    if (resourcesId === undefined) return {};
    const found = await this.#options.store.getResources(resourcesId);
    if (found !== undefined) return found.resources;
    throw new StoreError(`rollout ${rolloutId} asks for resources "${resourcesId}", which the store does not have`, {
      code: 'store-not-found',
    });
  }

  /** Runs the agent within its time limit. An agent that ignores its signal is left behind: its late writes are fenced. */
  async #runAgent(scope: RolloutScope): Promise<AttemptOutcome> {
    try {
      this.#guard.signal.throwIfAborted();
      const work = this.#options.rollout(scope.rollout.input as Task, createContext(scope));
      this.#recordReward(await Promise.race([work, this.#guard.interrupted]));
      return { status: 'succeeded' };
    } catch (error) {
      return this.#explain(error);
    } finally {
      this.#guard.disarm();
    }
  }

  #recordReward(result: RolloutResult): void {
    if (result === undefined) return;
    if (Array.isArray(result)) {
      throw new TraceError(
        'the rollout function returned an array; return a finite number, or an object of named finite numbers',
        { code: 'reward-invalid' },
      );
    }
    this.#recorder.record({ kind: 'reward', name: 'reward', attributes: rewardAttributes(result) });
  }

  /** Returns the outcome of an attempt that `error` ended. An error of the agent itself leaves an exception span. */
  #explain(error: unknown): AttemptOutcome {
    const { interruption } = this.#guard;
    if (interruption !== undefined) return { status: interruption, failure: toFailure(this.#guard.signal.reason) };
    const { status } = errorOutcome(error);
    this.#recorder.record({ kind: 'exception', name: 'exception', status, attributes: exceptionAttributes(error) });
    return failureOutcome(error);
  }

  /** Ends the attempt's URL and writes what its agent and its calls left; a success whose spans are not stored is none. */
  async #storeSpans(outcome: AttemptOutcome): Promise<AttemptOutcome> {
    const writes = await Promise.allSettled([this.#options.gateway?.closeAttempt(this.#claim), this.#recorder.flush()]);
    return writes.reduce(
      (before, write) => (write.status === 'rejected' ? this.#failWrite(before, write.reason) : before),
      outcome,
    );
  }

  async #write(outcome: AttemptOutcome, write: () => Promise<unknown>): Promise<AttemptOutcome> {
    try {
      await write();
      return outcome;
    } catch (error) {
      return this.#failWrite(outcome, error);
    }
  }

  /** Returns the outcome of an attempt when one of its writes failed. */
  #failWrite(outcome: AttemptOutcome, error: unknown): AttemptOutcome {
    if (isLostLease(error))
      return outcome.status === 'cancelled' ? outcome : { status: 'lost', failure: toFailure(error) };
    if (outcome.status === 'succeeded') return failureOutcome(error);
    this.#report(error);
    return outcome;
  }

  /** Reports the attempt's end; only a `lost` one is nobody's to report. */
  async #finish(outcome: AttemptOutcome): Promise<AttemptOutcome> {
    const { store } = this.#options;
    const { lease } = this.#claim;
    const { status } = outcome;
    if (status === 'lost') return outcome;
    return await this.#write(outcome, async () => {
      if (status !== 'succeeded') return await store.fail(lease, { ...outcome.failure, status });
      return await store.complete(lease).catch((error: unknown) => {
        if (!isLostLease(error)) this.#report(error); // nothing after this would tell of it
        throw error;
      });
    });
  }

  async #hook(name: string, call: () => Promise<void> | void): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const { hookTimeoutMs } = this.#options;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TimeoutError(`it took longer than ${hookTimeoutMs} ms`, { code: 'timed-out' })),
        hookTimeoutMs,
      );
    });
    try {
      await Promise.race([call(), tooLong]);
    } catch (error) {
      this.#report(new UserCodeError(`${name} failed: ${describe(error)}`, { code: 'hook-failed', cause: error }));
    } finally {
      clearTimeout(timer);
    }
  }

  #start(): { rollout: Claim['rollout']; attempt: Claim['attempt']; signal: AbortSignal } {
    return { rollout: this.#claim.rollout, attempt: this.#claim.attempt, signal: this.#guard.signal };
  }

  async #readSpans(): ReturnType<ResolvedRunnerOptions<Task>['store']['querySpans']> {
    await this.#recorder.flush();
    const { rolloutId, attemptId } = this.#claim.lease;
    return await this.#options.store.querySpans({ rolloutIds: [rolloutId], attemptId });
  }

  #report(error: unknown): void {
    this.#options.onError(error, { rollout: this.#claim.rollout, attempt: this.#claim.attempt });
  }
}

function createContext(scope: RolloutScope): RolloutContext {
  return {
    rollout: scope.rollout,
    attempt: scope.attempt,
    mode: scope.rollout.mode,
    resources: scope.resources,
    signal: scope.signal,
    get llm(): RolloutEndpoint {
      if (scope.llm !== undefined) return { ...scope.llm, anthropicBaseUrl: anthropicBaseUrl(scope.llm) };
      throw new TraceError(
        'context.llm was read, and this run has no policy; let the agent ask its own model, or give the Runner a gateway',
        {
          code: 'no-rollout',
        },
      );
    },
  };
}

function failureOutcome(error: unknown): AttemptOutcome {
  return { status: 'failed', failure: toFailure(error) };
}

function toFailure(error: unknown): Failure {
  return { code: failureKinds.codeOf(error), message: describe(error) };
}

function describe(error: unknown): string {
  return capText(error instanceof Error ? error.message : String(error));
}
