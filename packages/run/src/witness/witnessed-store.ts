import type { Failure, LightningStore, Rollout, Span, SpanQuery } from '@agent-lightning/core';
import { checkSpan, isFinalRolloutStatus } from '@agent-lightning/store';
import { asUntrusted, isAsWritten, WrittenSpans, type WrittenAttempt } from './written-spans.ts';

export interface WitnessOptions {
  /** True when nobody else writes into this store: then what this process did not write is somebody's who must not. */
  readonly isExclusive: boolean;
  /** Called with a sentence for each attempt or rollout that somebody else changed. */
  readonly onChanged: (message: string) => void;
}

/** Tells how a rollout ended, as this process reported it. */
type Outcome = Pick<Rollout, 'status'> & { readonly failure?: Failure };

/** The most rollouts whose ends are remembered: those of the last steps, which are read when their step ends. */
const mostRollouts = 20_000;

interface RememberedRollout {
  /** True when this process queued it and it was not final then. */
  isQueued: boolean;
  /** What was reported of its newest attempt; the store may have taken any of it, also where it answered with an error. */
  outcomes: readonly Outcome[];
  /** True once the user was told that somebody else changed it. */
  isTold: boolean;
}

/**
 * Returns the store as this process believes it. An agent may reach the file that its run is stored in, and write itself a reward there:
 * so what this process writes is remembered, and what it reads is compared. Rewards that were changed, added or taken away are read as
 * they were written; other spans that are not as they were written must not be trained on; ends of rollouts are those that were reported.
 * What an earlier process wrote cannot be compared.
 */
export function witnessStore(store: LightningStore, options: WitnessOptions): LightningStore {
  const witness = new Witness(store, options);
  const own: Partial<LightningStore> = {
    enqueue: async (requests) => witness.enqueued(await store.enqueue(requests)),
    claim: async (request) => {
      const claims = await store.claim(request);
      for (const { lease } of claims) witness.begun(lease.rolloutId, lease.attemptId);
      return claims;
    },
    appendSpans: (lease, spans) => witness.append(lease, spans),
    addReward: (rolloutId, span) => witness.addReward(rolloutId, span),
    complete: (lease) => {
      witness.ended(lease.rolloutId, { status: 'succeeded' });
      return store.complete(lease);
    },
    fail: (lease, failure) => {
      const { code, message } = failure;
      witness.ended(lease.rolloutId, { status: 'failed', failure: { code, message } });
      return store.fail(lease, failure);
    },
    querySpans: async (query) => witness.checkSpans(await store.querySpans(query), query),
    waitFor: async (ids, waiting) =>
      (await store.waitFor(ids, waiting)).map((rollout) => witness.checkRollout(rollout)),
    getRollout: async (id) => {
      const rollout = await store.getRollout(id);
      return rollout && witness.checkRollout(rollout);
    },
    queryRollouts: async (query) => {
      const page = await store.queryRollouts(query);
      return { ...page, items: page.items.map((rollout) => witness.checkRollout(rollout)) };
    },
  };
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Object.hasOwn(own, name) ? own[name as keyof LightningStore] : Reflect.get(target, name);
      return typeof value === 'function' && !Object.hasOwn(own, name) ? value.bind(target) : value;
    },
  });
}

class Witness {
  readonly written = new WrittenSpans();
  readonly #store: LightningStore;
  readonly #options: WitnessOptions;
  readonly #rollouts = new Map<string, RememberedRollout>();

  constructor(store: LightningStore, options: WitnessOptions) {
    this.#store = store;
    this.#options = options;
  }

  enqueued(rollouts: readonly Rollout[]): readonly Rollout[] {
    for (const { rolloutId, status } of rollouts)
      if (!isFinalRolloutStatus(status)) this.#remember(rolloutId).isQueued = true;
    return rollouts;
  }

  begun(rolloutId: string, attemptId: string): void {
    this.written.open(rolloutId, attemptId);
    this.#remember(rolloutId).outcomes = [];
  }

  ended(rolloutId: string, outcome: Outcome): void {
    const remembered = this.#remember(rolloutId);
    remembered.outcomes = [...remembered.outcomes, outcome];
  }

  append: LightningStore['appendSpans'] = async (lease, given) => {
    // As the store will have them: it cleans messages, for one.
    const spans = given.map((span, index) => checkSpan(`spans[${index}]`, span));
    const attempt = this.written.open(lease.rolloutId, lease.attemptId);
    this.written.begin(attempt, spans);
    const ids = await this.#store.appendSpans(lease, spans);
    this.written.keepRewards(attempt, spans, ids);
    return ids;
  };

  addReward: LightningStore['addReward'] = async (rolloutId, given) => {
    const span = checkSpan('span', given);
    const attempt = this.written.newestOf(rolloutId);
    if (attempt !== undefined) this.written.begin(attempt, [span]);
    const id = await this.#store.addReward(rolloutId, span);
    if (attempt !== undefined) this.written.keepRewards(attempt, [span], [id]);
    return id;
  };

  checkSpans(spans: readonly Span[], query: SpanQuery): readonly Span[] {
    const { isExclusive } = this.#options;
    const checked = spans.flatMap((span) => {
      const attempt = this.written.find(span.rolloutId, span.attemptId);
      const newest = isExclusive ? this.written.newestOf(span.rolloutId) : undefined;
      // An attempt that nobody in this process claimed, of a rollout that this process ran.
      if (attempt === undefined) return newest === undefined ? [span] : this.#drop(span);
      const written = attempt.spans.get(span.spanId);
      if (written === undefined)
        return !isExclusive ? [span] : span.kind === 'reward' ? this.#drop(span) : [this.#doubt(span)];
      if (isAsWritten(span, written)) return [span];
      return written.reward === undefined ? [this.#doubt(span)] : this.#drop(span); // what was written comes back below
    });
    return [...checked, ...this.#missingRewards(checked, query)];
  }

  checkRollout(rollout: Rollout): Rollout {
    if (!this.#options.isExclusive) return rollout;
    const { rolloutId, status } = rollout;
    const { outcomes = [], isQueued = false } = this.#rollouts.get(rolloutId) ?? {};
    const [outcome] = outcomes;
    if (status === 'succeeded' && outcome === undefined && isQueued) {
      this.#report(rolloutId, 'its end');
      const message = 'the store says that it succeeded, and no runner of this process reported that';
      return { ...rollout, status: 'failed', failure: { code: 'store-corrupt', message } };
    }
    const isEnd = status === 'succeeded' || status === 'failed';
    if (!isEnd || outcome === undefined || outcomes.some((each) => each.status === status)) return rollout;
    this.#report(rolloutId, 'its end');
    const { failure: _failure, ...rest } = rollout;
    return { ...rest, ...outcome };
  }

  #remember(rolloutId: string): RememberedRollout {
    const known = this.#rollouts.get(rolloutId);
    if (known !== undefined) return known;
    const remembered = { isQueued: false, outcomes: [], isTold: false };
    this.#rollouts.set(rolloutId, remembered);
    if (this.#rollouts.size > mostRollouts) this.#rollouts.delete(this.#rollouts.keys().next().value!);
    return remembered;
  }

  /** Returns rewards that were written and that the store does not give back as they were. */
  #missingRewards(spans: readonly Span[], query: SpanQuery): readonly Span[] {
    const { rolloutIds, kinds, name, under, attemptId } = query;
    if ((kinds !== undefined && !kinds.includes('reward')) || name !== undefined || under !== undefined) return [];
    const found = new Set(spans.map((span) => `${span.attemptId}\n${span.spanId}`));
    return rolloutIds.flatMap((rolloutId) => {
      const attempt = this.written.newestOf(rolloutId);
      const isAsked = attemptId === undefined || attemptId === 'latest' || attempt?.attemptId === attemptId;
      return attempt === undefined || !isAsked ? [] : this.#rewardsOf(attempt, found);
    });
  }

  #rewardsOf({ attemptId, spans }: WrittenAttempt, found: ReadonlySet<string>): readonly Span[] {
    return [...spans.values()].flatMap(({ reward }) => {
      if (reward === undefined || found.has(`${attemptId}\n${reward.spanId}`)) return [];
      this.#report(reward.rolloutId, 'a reward');
      return [reward];
    });
  }

  #drop(span: Span): readonly Span[] {
    this.#report(span.rolloutId, `the span ${span.spanId} (${span.kind})`);
    return [];
  }

  #doubt(span: Span): Span {
    this.#report(span.rolloutId, `the span ${span.spanId} (${span.kind})`);
    return asUntrusted(span);
  }

  #report(rolloutId: string, what: string): void {
    const remembered = this.#remember(rolloutId);
    if (remembered.isTold) return;
    remembered.isTold = true;
    this.#options.onChanged(
      `somebody else has changed rollout ${rolloutId} in the store: ${what} is not what this process wrote. Its rewards and its end count as this process wrote them, and changed calls are not trained on. See who else can write to the run directory; an agent should run as another user, or in a container`,
    );
  }
}
