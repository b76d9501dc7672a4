import { LightningError, type Lease, type LightningStore, type SpanInput } from '@agent-lightning/core';
import { checkSpan } from '@agent-lightning/store';
import type { Caller } from '../keys/caller.ts';
import { saysReward } from './span-meaning.ts';
import type { CallPolicy, SpanDraft } from './to-span.ts';

/** Tells what became of one span. */
export type SpanOutcome =
  | { readonly sequenceId: number }
  | { readonly problem: string; readonly kind: 'not-found' | 'over' | 'forbidden' | 'invalid' };

export interface AttemptIds {
  readonly rolloutId: string;
  readonly attemptId: string;
}

export interface SpanIntakeOptions {
  readonly store: LightningStore;
  /** Lets the key of an agent write rewards. */
  readonly agentRewards: boolean;
  /** Returns the ids of an attempt in the store, where a protocol has others. */
  readonly findHome: (ids: AttemptIds) => Promise<AttemptIds>;
}

/** Hears of attempts that wrote, by their ids in the store. */
type OnWritten = (rolloutId: string, attemptId: string) => Promise<void>;

/** Writes spans that come in under an attempt's id, without a lease: the server has it. */
export class SpanIntake {
  readonly #store: LightningStore;
  readonly #agentRewards: boolean;
  readonly #findHome: SpanIntakeOptions['findHome'];
  #onWritten: OnWritten = async () => undefined;

  constructor({ store, agentRewards, findHome }: SpanIntakeOptions) {
    this.#store = store;
    this.#agentRewards = agentRewards;
    this.#findHome = findHome;
  }

  /** Calls `onWritten` after an attempt wrote. */
  onWritten(onWritten: OnWritten): void {
    this.#onWritten = onWritten;
  }

  /** Writes spans of one attempt; returns what became of each. Spans that it has already count as written. @throws {StoreError} as for a store that is away */
  async write(given: AttemptIds, drafts: readonly SpanDraft[], caller: Caller): Promise<readonly SpanOutcome[]> {
    const problem = whyNotAllowed(given, caller);
    if (problem !== undefined) return drafts.map(() => ({ problem, kind: 'forbidden' }));
    const ids = await this.#findHome(given);
    const spans = await this.#finish(ids, drafts);
    const checked = spans.map((span) => this.#check(span, caller));
    const good = checked.filter((each): each is SpanInput => !('problem' in each));
    const written = good.length === 0 ? [] : await this.#append(ids, good, caller);
    let next = 0;
    return checked.map((each) => ('problem' in each ? each : (written[next++] as SpanOutcome)));
  }

  async #finish(ids: AttemptIds, drafts: readonly SpanDraft[]): Promise<readonly SpanInput[]> {
    const asked = new Map<string, CallPolicy | undefined>();
    for (const { needsPolicyFor } of drafts)
      if (needsPolicyFor !== undefined && !asked.has(needsPolicyFor))
        asked.set(needsPolicyFor, await findPolicy(this.#store, ids.rolloutId, needsPolicyFor));
    return drafts.map((draft) =>
      draft.finish(draft.needsPolicyFor === undefined ? undefined : asked.get(draft.needsPolicyFor)),
    );
  }

  #check(span: SpanInput, { role }: Caller): SpanInput | (SpanOutcome & { readonly problem: string }) {
    if (role === 'agent' && !this.#agentRewards && saysReward(span))
      return {
        problem: 'an agent may not write its own reward; the server takes it with agentRewards',
        kind: 'forbidden',
      };
    try {
      return checkSpan(`span ${span.spanId}`, span);
    } catch (error) {
      if (!LightningError.isInstance(error)) throw error;
      return { problem: error.message, kind: 'invalid' };
    }
  }

  async #append(ids: AttemptIds, spans: readonly SpanInput[], caller: Caller): Promise<readonly SpanOutcome[]> {
    const lease = await this.#leaseOf(ids, caller);
    if (lease === undefined) return this.#appendLate(ids, spans);
    try {
      const sequenceIds = await this.#store.appendSpans(lease, spans);
      await this.#onWritten(ids.rolloutId, ids.attemptId);
      return sequenceIds.map((sequenceId) => ({ sequenceId }));
    } catch (error) {
      if (LightningError.isInstance(error) && error.code === 'store-fenced') return this.#appendLate(ids, spans);
      throw error;
    }
  }

  async #leaseOf({ rolloutId, attemptId }: AttemptIds, caller: Caller): Promise<Lease | undefined> {
    if (caller.lease !== undefined) return caller.lease;
    return this.#store.getLease(rolloutId, attemptId);
  }

  /** Answers for an attempt that is over, or that there is not: what it has already is written, and its newest attempt still takes rewards. */
  async #appendLate(ids: AttemptIds, spans: readonly SpanInput[]): Promise<readonly SpanOutcome[]> {
    const attempts = await this.#store.queryAttempts(ids.rolloutId);
    const attempt = attempts.find(({ attemptId }) => attemptId === ids.attemptId);
    if (attempt === undefined) {
      const what = attempts.length === 0 && (await this.#store.getRollout(ids.rolloutId)) === undefined;
      const problem = what
        ? `rollout ${ids.rolloutId} is not in this store`
        : `rollout ${ids.rolloutId} has no attempt ${ids.attemptId}`;
      return spans.map(() => ({ problem, kind: 'not-found' }));
    }
    const isNewest = attempt === attempts.at(-1);
    const stored = await this.#store.querySpans({
      rolloutIds: [ids.rolloutId],
      attemptId: ids.attemptId,
      spanIds: spans.map(({ spanId }) => spanId),
    });
    const known = new Map(stored.map(({ spanId, sequenceId }) => [spanId, sequenceId]));
    const outcomes: SpanOutcome[] = [];
    for (const span of spans) {
      const sequenceId = known.get(span.spanId);
      if (sequenceId !== undefined) outcomes.push({ sequenceId });
      else if (isNewest && span.kind === 'reward')
        outcomes.push({ sequenceId: await this.#store.addReward(ids.rolloutId, span) });
      else outcomes.push({ problem: `attempt ${ids.attemptId} is over (${attempt.status})`, kind: 'over' });
    }
    return outcomes;
  }
}

/** Returns why a caller may not write to an attempt, or undefined where it may: the key of an agent is for one. */
export function whyNotAllowed({ rolloutId, attemptId }: AttemptIds, { role, lease }: Caller): string | undefined {
  if (role !== 'agent') return undefined;
  return lease?.rolloutId === rolloutId && lease.attemptId === attemptId
    ? undefined
    : `the key is for another attempt than ${attemptId} of rollout ${rolloutId}`;
}

/** Finds the policy that answers to a model's name among the resources of a rollout: the one of that model, or else the only one. */
async function findPolicy(store: LightningStore, rolloutId: string, model: string): Promise<CallPolicy | undefined> {
  const resourcesId = (await store.getRollout(rolloutId))?.resourcesId;
  const found = resourcesId === undefined ? undefined : await store.getResources(resourcesId);
  if (found === undefined) return undefined;
  const policies = Object.entries(found.resources).flatMap(
    ([name, resource]): { model: string; policy: CallPolicy }[] => {
      if (resource.type === 'llm')
        return [{ model: resource.model, policy: { name, version: resource.policyVersion } }];
      if (resource.type !== 'json') return [];
      const { resource_type: type, model: served } = (resource.value ?? {}) as {
        readonly resource_type?: unknown;
        readonly model?: unknown;
      };
      const isModel = (type === 'llm' || type === 'proxy_llm') && typeof served === 'string';
      return isModel ? [{ model: served, policy: { name, version: found.version } }] : [];
    },
  );
  return (policies.find((each) => each.model === model) ?? (policies.length === 1 ? policies[0] : undefined))?.policy;
}

/** Names an attribute that tells under which attempt a span belongs. */
export const attemptAttributes = {
  rolloutId: 'agentlightning.rollout_id',
  attemptId: 'agentlightning.attempt_id',
  sequenceId: 'agentlightning.span_sequence_id',
} as const;
