import { randomBytes } from 'node:crypto';
import {
  attributeNames as names,
  rewardAttributes,
  type JsonValue,
  type LightningStore,
  type Rollout,
  type Span,
  type SpanInput,
} from '@agent-lightning/core';
import { isFinalRolloutStatus, storeLimits } from '@agent-lightning/store';
import { RequestError } from '../http/request-error.ts';
import type { Agl10Rollouts } from './agl10-rollouts.ts';
import { firstAttempt, type Agl10Event, type JsonObject } from './agl10-shapes.ts';
import { toModelRequest, toTriplet } from './model-request-view.ts';

/** The attribute that holds an event's data as JSON, as it was posted. */
const dataAttribute = 'agentlightning.agl10.data';
/** The attribute that names the attempt that an event was posted to, where it is not the first one. */
const attemptAttribute = 'agentlightning.agl10.attempt';

/** An event as it is posted. */
export interface EventPost {
  readonly attemptId: string;
  readonly eventType: string;
  readonly data: JsonObject;
}

export interface EventsQuery {
  readonly eventType: string | null;
  /** Shows model calls as a trainer reads them: token ids and log-probabilities. */
  readonly isTriplet: boolean;
  /** Gives raw model calls the member `routed_experts`, which is null here. */
  readonly hasExperts: boolean;
}

const mostLate = 10_000;
const noTrace = '0'.repeat(31);

/** Keeps the events of Agent Lightning 1.0 as spans of our store, and shows spans as its events. */
export class Agl10Events {
  readonly #store: LightningStore;
  readonly #rollouts: Agl10Rollouts;
  /** Events other than rewards of rollouts that are final already, which only hooks of a trainer post: our store takes none any more. */
  readonly #late: Map<string, readonly Agl10Event[]> = new Map();

  constructor(store: LightningStore, rollouts: Agl10Rollouts) {
    this.#store = store;
    this.#rollouts = rollouts;
  }

  /** Adds an event. @param mayBeLate false refuses a reward for a final rollout @throws {RequestError} 404, 409, 413 */
  async post(rolloutId: string, post: EventPost, mayBeLate: boolean): Promise<Agl10Event> {
    const rollout = await this.#rollouts.read(rolloutId);
    const span = toSpan(post);
    const event = eventOf(rolloutId, post, span.endTimeMs);
    if (!isFinalRolloutStatus(rollout.status)) {
      const { lease } = await this.#rollouts.claim(rolloutId);
      await this.#store.appendSpans(lease, [span]);
    } else if (span.kind !== 'reward') this.#keepLate(event);
    else if (mayBeLate) await this.#store.addReward(rolloutId, span);
    else
      throw new RequestError(`Rollout ${rolloutId} is ${rollout.status}; an agent's reward comes too late`, {
        code: 'store-conflict',
      });
    return event;
  }

  /** Returns the events of a rollout's last attempt in the order in which they came. @throws {RequestError} 404 */
  async query(rolloutId: string, asked: EventsQuery): Promise<readonly Agl10Event[]> {
    const rollout = await this.#rollouts.read(rolloutId);
    const attemptId = this.#rollouts.view(rollout).status.last_attempt_id ?? firstAttempt;
    const { eventType, isTriplet } = asked;
    const all = await this.#all(rollout, asked);
    const events = all.filter(
      (event) => event.attempt_id === attemptId && (eventType === null || event.event_type === eventType),
    );
    return isTriplet ? dropRepeated(events) : events;
  }

  /** Returns the ids of the attempts that have events. */
  async attempts(rollout: Rollout): Promise<readonly string[]> {
    if (rollout.attemptCount === 0) return [];
    return [
      ...new Set((await this.#all(rollout, { isTriplet: true, hasExperts: false })).map((event) => event.attempt_id)),
    ];
  }

  async #all(
    rollout: Rollout,
    { isTriplet, hasExperts }: Omit<EventsQuery, 'eventType'>,
  ): Promise<readonly Agl10Event[]> {
    const { rolloutId } = rollout;
    const spans = await this.#store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest', includeTokens: true });
    const show = (span: Span): JsonObject =>
      isTriplet ? toTriplet(span) : toModelRequest(span, { spans, mode: rollout.mode, hasExperts });
    const stored = spans.flatMap((span): readonly Agl10Event[] => {
      const { kind, attributes, isOpen } = span;
      if (kind === 'model_call' && isOpen !== true && attributes[names.promptSpan] === undefined)
        return [eventAt(rollout.rolloutId, span, 'model_request', show(span))];
      const text = attributes[dataAttribute];
      if (typeof text === 'string') {
        const data = JSON.parse(text) as JsonObject;
        return [eventAt(rolloutId, span, span.name, isTriplet && span.name === 'reward' ? trimReward(data) : data)];
      }
      const value = kind === 'reward' ? primaryValue(span) : undefined;
      return value === undefined ? [] : [eventAt(rolloutId, span, 'reward', { value })];
    });
    return [...stored, ...(this.#late.get(rolloutId) ?? [])];
  }

  #keepLate(event: Agl10Event): void {
    this.#late.set(event.rollout_id, [...(this.#late.get(event.rollout_id) ?? []), event]);
    const oldest = this.#late.keys().next().value;
    if (this.#late.size > mostLate && oldest !== undefined) this.#late.delete(oldest);
  }
}

function toSpan({ attemptId, eventType, data }: EventPost): SpanInput {
  const text = JSON.stringify(data);
  if (text.length > storeLimits.attributeCharacters)
    throw new RequestError(`the data of an event may have ${storeLimits.attributeCharacters} characters as JSON`, {
      code: 'request-too-large',
    });
  const value = eventType === 'reward' && typeof data['value'] === 'number' ? data['value'] : undefined;
  const nowMs = Date.now();
  return {
    spanId: randomBytes(8).toString('hex'),
    traceId: `${noTrace}1`,
    kind: value === undefined ? 'object' : 'reward',
    name: eventType.slice(0, storeLimits.nameCharacters) || '(no name)',
    status: { code: 'ok' },
    startTimeMs: nowMs,
    endTimeMs: nowMs,
    attributes: {
      ...(value === undefined ? {} : rewardAttributes(value)),
      [dataAttribute]: text,
      ...(attemptId === firstAttempt ? {} : { [attemptAttribute]: attemptId }),
    },
  };
}

function eventOf(rolloutId: string, { attemptId, eventType, data }: EventPost, timeMs: number): Agl10Event {
  return { event_type: eventType, rollout_id: rolloutId, attempt_id: attemptId, timestamp: timeMs / 1_000, data };
}

function eventAt(rolloutId: string, span: Span, eventType: string, data: JsonObject): Agl10Event {
  const attemptId = String(span.attributes[attemptAttribute] ?? firstAttempt);
  return eventOf(rolloutId, { attemptId, eventType, data }, span.endTimeMs);
}

function trimReward(data: JsonObject): JsonObject {
  const kept = ['source', 'reason']
    .filter((name) => name in data)
    .map((name): [string, JsonValue] => [name, data[name]!]);
  return { value: data['value'] ?? null, ...Object.fromEntries(kept) };
}

function primaryValue({ attributes }: Span): number | undefined {
  const value = attributes['agentlightning.reward.0.value'];
  return typeof value === 'number' ? value : undefined;
}

/** Keeps the last of the model calls with the same prompt, as 1.0 does: its clients repeat calls. Those without token ids all stay. */
function dropRepeated(events: readonly Agl10Event[]): readonly Agl10Event[] {
  const last = new Map<string, Agl10Event>();
  const keyOf = (event: Agl10Event): string | undefined => {
    const ids = event.event_type === 'model_request' ? event.data['prompt_token_ids'] : undefined;
    return Array.isArray(ids) && ids.length > 0 ? ids.join(',') : undefined;
  };
  for (const event of events) {
    const key = keyOf(event);
    if (key !== undefined) last.set(key, event);
  }
  return events.filter((event) => {
    const key = keyOf(event);
    return key === undefined || last.get(key) === event;
  });
}
