import {
  attributeNames,
  failureKinds,
  GatewayError,
  StoreError,
  TimeoutError,
  UserCodeError,
  rewardAttributes,
  type Claim,
  LightningError,
  type LlmEndpoint,
  type ModelGateway,
  type NamedResources,
} from '@agent-lightning/core';
import {
  errorOutcome,
  exceptionAttributes,
  recordOutsideCalls,
  watchOutsideCalls,
  runInRollout,
  type RolloutScope,
  TraceRecorder,
} from '@agent-lightning/tracing';
import { watchAttempt, type RolloutTelemetry } from '@agent-lightning/observability';
import { ConsoleLog, keepConsole, outlastOutage } from '@agent-lightning/platform';
import { AttemptGuard, isLostLease } from './attempt-guard.ts';
import { hide } from './command/captured-output.ts';
import { createContext } from './rollout-context.ts';
import { describe, failureOutcome, isOutage, toFailure } from './attempt-failure.ts';
import type { RolloutResult } from './rollout-function.ts';
import type { AttemptOutcome } from './runner-hooks.ts';
import { shorterTimeoutMs, type ResolvedRunnerOptions } from './runner-options.ts';

/** The longest time for which a gateway that is away is asked for the attempt's URL; at most half of the attempt's own time. */
const longestOpeningMs = 300_000;
/** The codes by which a gateway says that this process is not to open attempts. */
const refusals: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'not-found']);

/** One try of the user's agent at one rollout, from the claim to the final status. A store or a gateway that is away is waited for. */
export class AttemptRun<Task> {
  readonly #claim: Claim;
  readonly #options: ResolvedRunnerOptions<Task>;
  readonly #guard: AttemptGuard;
  readonly #recorder: TraceRecorder;
  readonly #timeoutMs: number | undefined;
  /** The reason for which a hook that asked for the attempt's spans has not got them. */
  #unreadSpans: StoreError | undefined;
  /** Holds what agent, reward and hooks write by `console`. */
  readonly #console = new ConsoleLog();
  #refusal: GatewayError | undefined;

  constructor(claim: Claim, options: ResolvedRunnerOptions<Task>, stop: AbortSignal) {
    this.#claim = claim;
    this.#options = options;
    this.#recorder = new TraceRecorder({ store: options.store, lease: claim.lease });
    this.#timeoutMs = shorterTimeoutMs(options.attemptTimeoutMs, claim.rollout.timeouts.startToFinishMs);
    this.#guard = new AttemptGuard({
      store: options.store,
      lease: claim.lease,
      leaseMs: options.leaseMs,
      timeoutMs: this.#timeoutMs,
      stop,
      onError: (error) => this.#report(error),
    });
  }

  /** Why the gateway opens no attempt for this process, whichever it is; undefined unless it said so. */
  get refusal(): GatewayError | undefined {
    return this.#refusal;
  }

  /** Runs the attempt. It never rejects: whatever goes wrong is an outcome, and is written to the store where it still may be. */
  async run(): Promise<AttemptOutcome> {
    let telemetry: RolloutTelemetry | undefined;
    let outcome: AttemptOutcome;
    try {
      telemetry = await watchAttempt(this.#watched(), this.#options.openTelemetry);
      const ended = await this.#attempt(telemetry);
      outcome = await this.#finish(await this.#write(ended, () => this.#recorder.close()));
    } catch (error) {
      this.#report(error);
      outcome = failureOutcome(error);
    } finally {
      this.#guard.release();
    }
    await telemetry?.end({ ...outcome, readSpans: () => this.#querySpans() });
    return outcome;
  }

  /** Sets the scene, runs hooks and agent, and stores every span. */
  async #attempt(telemetry: RolloutTelemetry | undefined): Promise<AttemptOutcome> {
    let scope: RolloutScope;
    try {
      scope = await this.#openScope();
    } catch (error) {
      // The agent has not begun, so a time-out is none of its doing.
      return this.#guard.interruption === 'timeout' ? failureOutcome(error) : this.#explain(error);
    }
    const run = (): Promise<AttemptOutcome> =>
      keepConsole(this.#console, () => runInRollout(scope, () => this.#runInScope(scope)));
    const outcome = await (telemetry === undefined ? run() : telemetry.run(run));
    if (outcome.status !== 'lost') this.#recordConsole(scope);
    return outcome;
  }

  async #runInScope(scope: RolloutScope): Promise<AttemptOutcome> {
    await this.#hook('onRolloutStart', () => this.#options.hooks.onRolloutStart?.(this.#start()));
    const ended = await this.#runAgent(scope);
    recordOutsideCalls(scope);
    const outcome = await this.#blameSampler(await this.#storeSpans(ended));
    if (this.#options.hooks.onRolloutEnd === undefined || outcome.status === 'lost') return outcome;
    const isDone = await this.#hook('onRolloutEnd', () =>
      this.#options.hooks.onRolloutEnd?.({ ...this.#start(), outcome, spans: () => this.#readSpans() }),
    );
    return isDone || this.#unreadSpans === undefined ? outcome : this.#failWrite(outcome, this.#unreadSpans);
  }

  /** Keeps what was written by `console` with the rollout, without the key of its endpoint. */
  #recordConsole({ llm, ownEndpoint }: RolloutScope): void {
    const text = this.#console.text();
    if (text === undefined) return;
    const attributes = { [attributeNames.messageBody]: hide(text, (llm ?? ownEndpoint)?.apiKey) };
    this.#recorder.record({ kind: 'message', name: 'console', attributes });
  }

  async #openScope(): Promise<RolloutScope> {
    const { rollout, attempt, lease } = this.#claim;
    const { gateway } = this.#options;
    const resources = await this.#outlast(() => this.#readResources(), this.#openingMs());
    const endpoint = gateway && (await this.#openAttempt(gateway));
    const llm = endpoint?.isOwn === true ? undefined : endpoint;
    if (this.#guard.interruption === 'timeout')
      throw new TimeoutError(`the store or the gateway took longer than ${this.#timeoutMs} ms to begin the attempt`, {
        code: 'upstream-timeout',
      });
    if (llm !== undefined) watchOutsideCalls();
    return {
      rollout,
      attempt,
      lease,
      resources,
      recorder: this.#recorder,
      signal: this.#guard.signal,
      ...(llm === undefined ? {} : { llm }),
      ...(endpoint?.isOwn === true && { ownEndpoint: endpoint }),
      ...(gateway?.answerTo !== undefined && { answerTo: (names) => gateway.answerTo?.(this.#claim, names) }),
    };
  }

  async #openAttempt(gateway: ModelGateway): Promise<LlmEndpoint> {
    try {
      return await this.#outlast(() => gateway.openAttempt(this.#claim), this.#openingMs());
    } catch (error) {
      if (!LightningError.isInstance(error) || !refusals.has(error.code)) throw error;
      this.#refusal = new GatewayError(
        `${error.message}; give this runner the address and the key of the gateway of those who queue its rollouts`,
        { code: 'upstream-rejected', cause: error },
      );
      throw this.#refusal;
    }
  }

  #openingMs(): number {
    return Math.min(longestOpeningMs, (this.#timeoutMs ?? Infinity) / 2);
  }

  /** Does what needs the store or the gateway, again while that is away and the attempt is held. The first failure is reported. */
  async #outlast<Reply>(work: () => Promise<Reply>, limitMs?: number, signal = this.#guard.over): Promise<Reply> {
    return await outlastOutage(work, {
      signal,
      ...(limitMs === undefined ? {} : { limitMs }),
      onOutage: (error) => this.#report(error),
    });
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

  /**
   * Ends the attempt's URL and writes what its agent and its calls left; a success whose spans are not stored is none, and no failure is
   * the agent's when its calls could not be kept or its gateway was away.
   */
  async #storeSpans(outcome: AttemptOutcome): Promise<AttemptOutcome> {
    const writes = await Promise.allSettled([this.#closeAttempt(), this.#outlast(() => this.#recorder.flush())]);
    const outage = writes[0].status === 'fulfilled' ? writes[0].value : undefined;
    const stored = writes.reduce(
      (before, write) => (write.status === 'rejected' ? this.#failWrite(before, write.reason) : before),
      outcome,
    );
    const mayBeOutage = 'failure' in stored && failureKinds.of(stored.failure) === 'unknown';
    return outage !== undefined && mayBeOutage ? this.#failWrite(stored, outage) : stored;
  }

  /** Returns the failure of what samples for that of an agent whose last call failed because that was away, whatever the agent threw. */
  async #blameSampler(outcome: AttemptOutcome): Promise<AttemptOutcome> {
    const { gateway, store } = this.#options;
    const isAgents = outcome.status === 'failed' || outcome.status === 'timeout';
    if (gateway === undefined || !isAgents || failureKinds.of(outcome.failure) !== 'unknown') return outcome;
    const { rolloutId, attemptId } = this.#claim.lease;
    const query = { rolloutIds: [rolloutId], attemptId, kinds: ['model_call'] } as const;
    try {
      const calls = await this.#outlast(() => store.querySpans(query));
      const last = calls.findLast(({ attributes }) => attributes[attributeNames.source] === 'gateway');
      if (last?.attributes[attributeNames.outage] !== true) return outcome;
    } catch (error) {
      return this.#failWrite(outcome, error);
    }
    return failureOutcome(
      new GatewayError(`the model was away: ${outcome.failure.message}`, { code: 'upstream-failed', retryable: true }),
    );
  }

  /** Ends the attempt's URL. Returns the first error of a gateway that was away and is back, for it was away from the agent too. */
  async #closeAttempt(): Promise<unknown> {
    const { gateway } = this.#options;
    if (gateway === undefined) return undefined;
    let first: unknown;
    await outlastOutage(() => gateway.closeAttempt(this.#claim), {
      signal: this.#guard.over,
      onOutage: (error) => {
        first = error;
        this.#report(error);
      },
    });
    return LightningError.isInstance(first) && first.code.startsWith('store-') ? undefined : first;
  }

  async #write(outcome: AttemptOutcome, write: () => Promise<unknown>): Promise<AttemptOutcome> {
    try {
      await this.#outlast(write);
      return outcome;
    } catch (error) {
      return this.#failWrite(outcome, error);
    }
  }

  /** Returns the outcome of an attempt when one of its writes failed. A failure of ours hides what the agent did. */
  #failWrite(outcome: AttemptOutcome, error: unknown): AttemptOutcome {
    if (isLostLease(error))
      return outcome.status === 'cancelled' ? outcome : { status: 'lost', failure: toFailure(error) };
    if (outcome.status === 'succeeded') return failureOutcome(error);
    this.#report(error);
    const isAgents = outcome.status === 'failed' || outcome.status === 'timeout';
    return isAgents && isOutage(toFailure(error)) && !isOutage(outcome.failure) ? failureOutcome(error) : outcome;
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
        // Nothing after this would tell of it; an error that may pass is reported with the outage.
        if (!isLostLease(error) && !(LightningError.isInstance(error) && error.retryable)) this.#report(error);
        throw error;
      });
    });
  }

  /** Calls a hook; returns false when it failed, which is reported. */
  async #hook(name: string, call: () => Promise<void> | void): Promise<boolean> {
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
      return true;
    } catch (error) {
      this.#report(new UserCodeError(`${name} failed: ${describe(error)}`, { code: 'hook-failed', cause: error }));
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #watched(): Parameters<typeof watchAttempt>[0] {
    const { rollout, attempt } = this.#claim;
    return { rollout, attempt, onError: (error) => this.#report(error) };
  }

  #querySpans(): ReturnType<ResolvedRunnerOptions<Task>['store']['querySpans']> {
    const { rolloutId, attemptId } = this.#claim.lease;
    return this.#options.store.querySpans({ rolloutIds: [rolloutId], attemptId });
  }

  #start(): { rollout: Claim['rollout']; attempt: Claim['attempt']; signal: AbortSignal } {
    return { rollout: this.#claim.rollout, attempt: this.#claim.attempt, signal: this.#guard.signal };
  }

  /** Returns the attempt's spans to a hook. A hook that does not get them in its time cannot have done its work. */
  async #readSpans(): ReturnType<ResolvedRunnerOptions<Task>['store']['querySpans']> {
    this.#unreadSpans = new StoreError('the store was away, so that a hook did not get the spans of the attempt', {
      code: 'store-unavailable',
      retryable: true,
    });
    const spans = await this.#outlast(async () => {
      await this.#recorder.flush();
      return await this.#querySpans();
    });
    this.#unreadSpans = undefined;
    return spans;
  }

  #report(error: unknown): void {
    this.#options.onError(error, { rollout: this.#claim.rollout, attempt: this.#claim.attempt });
  }
}
