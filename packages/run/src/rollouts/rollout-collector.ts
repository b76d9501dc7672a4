import { isDeepStrictEqual } from 'node:util';
import {
  failureKinds,
  toEpisode,
  type EnqueueRequest,
  type Episode,
  type LightningStore,
  type RetryPolicy,
  type Rollout,
  type Span,
  type SpanQuery,
  type PlannedRollout,
} from '@agent-lightning/core';
import { isFinalRolloutStatus } from '@agent-lightning/store';
import { FailureScoring } from '../failures/failure-scoring.ts';
import { toEnqueueRequest } from './planned-rollout.ts';
import { readSpans } from './read-spans.ts';
import { markStrayedCalls } from './strayed-calls.ts';

export interface RolloutCollectorOptions {
  readonly store: LightningStore;
  readonly runId: string;
  readonly retry: Partial<RetryPolicy>;
  readonly attemptTimeoutMs: number;
  /** True when an earlier process may have left rollouts of this run. */
  readonly resumed: boolean;
  /** The policies whose calls train. */
  readonly policies: readonly string[];
  /** Counts the rollouts that the run begins, and rejects those that would pass its limit. @default none */
  readonly meter?: { beginRollouts(count: number): void; returnRollouts(count: number): void };
  /** Says how failed rollouts count. @default with the default failure reward, sorted by what is known */
  readonly failures?: FailureScoring;
}

type EpisodeQuery = Pick<SpanQuery, 'kinds' | 'includeTokens'>;

/** The most rollouts of one store query, which lists their ids. */
const queryChunk = 1_000;

/** Queues planned rollouts for the runners, waits for them, and reads their episodes. */
export class RolloutCollector {
  readonly #options: RolloutCollectorOptions;
  /** The rule by which failed rollouts count. */
  readonly failures: FailureScoring;

  constructor(options: RolloutCollectorOptions) {
    this.#options = options;
    this.failures = options.failures ?? new FailureScoring();
  }

  /** Queues the planned rollouts, and returns them in their order once all are final. */
  async collect(planned: readonly PlannedRollout[], signal: AbortSignal): Promise<readonly Rollout[]> {
    return await this.waitFor(await this.enqueue(planned), signal);
  }

  /** Queues the planned rollouts and returns their ids. A finished one of an earlier process is taken as it is. @throws {TrainerError} `limit-reached` when they would pass a limit; then none is queued. @param options.priority of all of them; without it, validations come first */
  async enqueue(
    planned: readonly PlannedRollout[],
    options: { readonly priority?: number } = {},
  ): Promise<readonly string[]> {
    const { store, retry, attemptTimeoutMs } = this.#options;
    const requests = (await this.#nameRequests(planned)).map(
      (request): EnqueueRequest & { readonly rolloutId: string } => ({
        ...request,
        ...options,
        retry,
        timeouts: { startToFinishMs: attemptTimeoutMs },
      }),
    );
    const ids = requests.map(({ rolloutId }) => rolloutId);
    this.#options.meter?.beginRollouts(requests.length - (await this.#countKnown(ids)));
    await store.enqueue(requests);
    return requests.map((request) => request.rolloutId);
  }

  /** Returns these rollouts, in this order, once all are final. */
  async waitFor(rolloutIds: readonly string[], signal: AbortSignal): Promise<readonly Rollout[]> {
    return await this.#options.store.waitFor(rolloutIds, { signal });
  }

  /** Counts those of these rollouts that no runner has begun. */
  async countQueued(rolloutIds: readonly string[]): Promise<number> {
    let queued = 0;
    for await (const { status } of this.#query(rolloutIds))
      if (status === 'queuing' || status === 'requeuing') queued++;
    return queued;
  }

  /** Returns those of the planned rollouts that are final, by key; nothing is run. */
  async findFinished(planned: readonly PlannedRollout[]): Promise<ReadonlyMap<string, Rollout>> {
    const keys = new Map(
      (await this.#nameRequests(planned)).map((request, index) => [request.rolloutId, planned[index]!.key]),
    );
    const found = new Map<string, Rollout>();
    for await (const rollout of this.#query([...keys.keys()])) {
      if (isFinalRolloutStatus(rollout.status)) found.set(keys.get(rollout.rolloutId)!, rollout);
    }
    return found;
  }

  /** Returns the training rollouts of a step that are final, in the order in which they were queued; those that were cancelled are left out. */
  async findStep(step: number): Promise<readonly Rollout[]> {
    const { store, runId } = this.#options;
    const found: Rollout[] = [];
    let cursor: string | undefined;
    do {
      const query = { runId, modes: ['train' as const], order: 'desc' as const, limit: queryChunk };
      const page = await store.queryRollouts(cursor === undefined ? query : { ...query, cursor });
      const steps = page.items.map(({ metadata }) => Number(metadata['step']));
      const isOfStep = (rollout: Rollout, index: number): boolean =>
        steps[index] === step && isFinalRolloutStatus(rollout.status) && rollout.status !== 'cancelled';
      found.push(...page.items.filter(isOfStep));
      // Steps are queued one after the other: a page that has only earlier ones is past the step.
      cursor = steps.every((each) => each < step) ? undefined : page.nextCursor;
    } while (cursor !== undefined);
    return found.reverse();
  }

  /** Reads the spans of these rollouts' newest attempts, without tokens. */
  async readSpans(rollouts: readonly Rollout[]): Promise<readonly Span[]> {
    return await readSpans(this.#options.store, rollouts);
  }

  /** Cancels the queued and running rollouts of this run, and returns how many there were. */
  async cancelUnfinished(reason: string): Promise<number> {
    const { store, runId } = this.#options;
    let cancelled = 0;
    for (;;) {
      const { items } = await store.queryRollouts({
        runId,
        statuses: ['queuing', 'preparing', 'running', 'requeuing'],
      });
      if (items.length === 0) return cancelled;
      for (const rollout of items) await store.cancel(rollout.rolloutId, reason);
      this.#options.meter?.returnRollouts(items.filter(({ attemptCount }) => attemptCount === 0).length);
      cancelled += items.length;
    }
  }

  /**
   * Reads the episode of each rollout, tokens included, in few queries. A rollout that failed has the reward of its failure, or none,
   * whatever its agent emitted before: its end was not scored.
   */
  async readEpisodes(
    rollouts: readonly Rollout[],
    query: EpisodeQuery = { includeTokens: true },
  ): Promise<readonly Episode[]> {
    return this.failures.score(await this.readUnscored(rollouts, query));
  }

  /** Reads the episode of each rollout as {@link readEpisodes} does, but gives failures no reward: `failures.score` does, for rollouts that count together. */
  async readUnscored(
    rollouts: readonly Rollout[],
    query: EpisodeQuery = { includeTokens: true },
  ): Promise<readonly Episode[]> {
    const { policies } = this.#options;
    const { sorting } = this.failures;
    const episodes: Episode[] = [];
    for (let first = 0; first < rollouts.length; first += queryChunk) {
      const chunk = rollouts.slice(first, first + queryChunk);
      const spans = await this.#options.store.querySpans({
        ...query,
        attemptId: 'latest',
        rolloutIds: chunk.map((rollout) => rollout.rolloutId),
      });
      const byRollout = Map.groupBy(markStrayedCalls(spans), (span) => span.rolloutId);
      for (const rollout of chunk)
        episodes.push(toEpisode(rollout, byRollout.get(rollout.rolloutId) ?? [], { policies, failures: sorting }));
    }
    return episodes;
  }

  /** Counts those of these rollouts that the store has from an earlier process. */
  async #countKnown(rolloutIds: readonly string[]): Promise<number> {
    if (!this.#options.resumed) return 0;
    let known = 0;
    for await (const _ of this.#query(rolloutIds)) known += 1;
    return known;
  }

  /** Gives each planned rollout its id: that of a new generation where an earlier process left a rollout that cannot be used. */
  async #nameRequests(
    planned: readonly PlannedRollout[],
  ): Promise<readonly (EnqueueRequest & { readonly rolloutId: string })[]> {
    const { runId, resumed } = this.#options;
    const named = planned.map((each) => toEnqueueRequest(runId, each, 0));
    if (!resumed) return named;
    const open = new Set(named.keys());
    for (let generation = 0; open.size > 0; generation++) {
      const unusable = await this.#findUnusable([...open].map((index) => named[index]!));
      for (const index of open) {
        if (unusable.has(named[index]!.rolloutId))
          named[index] = toEnqueueRequest(runId, planned[index]!, generation + 1);
        else open.delete(index);
      }
    }
    return named;
  }

  /** Finds the rollouts that never came to their end, and those that ran with other resources or on another input than these requests name. */
  async #findUnusable(
    requests: readonly (EnqueueRequest & { readonly rolloutId: string })[],
  ): Promise<ReadonlySet<string>> {
    const wanted = new Map(requests.map((request) => [request.rolloutId, request]));
    const unusable = new Set<string>();
    const unexplained: Rollout[] = [];
    for await (const rollout of this.#query([...wanted.keys()])) {
      const { resourcesId, input } = wanted.get(rollout.rolloutId)!;
      const isOfAnotherPlan =
        (resourcesId !== undefined && resourcesId !== rollout.resourcesId) ||
        !isDeepStrictEqual(rollout.input, JSON.parse(JSON.stringify(input)));
      if (isOfAnotherPlan || this.#wasLost(rollout)) unusable.add(rollout.rolloutId);
      else if (rollout.status === 'failed') unexplained.push(rollout);
    }
    // An agent may have hidden what its client threw; its calls tell whether what samples was away.
    for (const { rollout, failureKind } of await this.readUnscored(unexplained, { kinds: ['model_call'] }))
      if (failureKind === 'world') unusable.add(rollout.rolloutId);
    return unusable;
  }

  /** Tells whether a rollout ended because its process did, or by another failure of the world, which says nothing about the agent. */
  #wasLost({ status, failure }: Rollout): boolean {
    if (status === 'cancelled') return true;
    return status === 'failed' && failure !== undefined && failureKinds.of(failure, this.failures.sorting) === 'world';
  }

  async *#query(rolloutIds: readonly string[]): AsyncGenerator<Rollout> {
    for (let first = 0; first < rolloutIds.length; first += queryChunk) {
      yield* (
        await this.#options.store.queryRollouts({
          rolloutIds: rolloutIds.slice(first, first + queryChunk),
          limit: queryChunk,
        })
      ).items;
    }
  }
}
