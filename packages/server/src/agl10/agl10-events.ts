import { randomBytes } from 'node:crypto';
import {
  attributeNames as names,
  rewardAttributes,
  rewardValueAttribute,
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
import { LateEvents } from './late-events.ts';
import { furtherChoices, toModelRequest, toTriplet, type ModelRequestContext } from './model-request-view.ts';

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

interface DataContext extends ModelRequestContext {
  readonly isTriplet: boolean;
}

/** The type of an event that is a model call. */
const callType = 'model_request';
const noTrace = '0'.repeat(31);

/** Keeps the events of Agent Lightning 1.0 as spans of our store, and shows spans as its events. */
export class Agl10Events {
  readonly #store: LightningStore;
  readonly #rollouts: Agl10Rollouts;
  /** Events that only hooks of a trainer post. */
  readonly #late: LateEvents = new LateEvents();

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
    } else if (span.kind !== 'reward') this.#late.add(event);
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
    const isAsked = (attempt: string, type: string): boolean =>
      attempt === attemptId && (eventType === null || type === eventType);
    const spans = await this.#spansOf(rolloutId, eventType === null || eventType === callType);
    const choices = furtherChoices(spans);
    const stored = spans.flatMap((span): readonly Agl10Event[] => {
      const type = eventTypeOf(span);
      if (type === undefined || !isAsked(attemptOf(span), type)) return [];
      return [eventAt(span, type, dataOf(span, type, { ...asked, choices, mode: rollout.mode }))];
    });
    const late = this.#late.of(rolloutId).filter((event) => isAsked(event.attempt_id, event.event_type));
    return isTriplet ? dropRepeated([...stored, ...late]) : [...stored, ...late];
  }

  /** Returns the ids of the attempts that have events. */
  async attempts({ rolloutId, attemptCount }: Rollout): Promise<readonly string[]> {
    if (attemptCount === 0) return [];
    const stored = (await this.#spansOf(rolloutId, false)).filter((span) => eventTypeOf(span) !== undefined);
    return [...new Set([...stored.map(attemptOf), ...this.#late.of(rolloutId).map((event) => event.attempt_id)])];
  }

  /** Forgets what only this object has of a rollout. */
  forget(rolloutId: string): void {
    this.#late.forget(rolloutId);
  }

  #spansOf(rolloutId: string, includeTokens: boolean): Promise<readonly Span[]> {
    return this.#store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest', includeTokens });
  }
}

/** Returns the type of the event that a span is, or undefined for one that is none. */
function eventTypeOf(span: Span): string | undefined {
  const { kind, attributes, isOpen, name } = span;
  if (kind === 'model_call' && isOpen !== true && attributes[names.promptSpan] === undefined) return callType;
  if (typeof attributes[dataAttribute] === 'string') return name;
  return kind === 'reward' && primaryValue(span) !== undefined ? 'reward' : undefined;
}

function attemptOf({ attributes }: Span): string {
  return String(attributes[attemptAttribute] ?? firstAttempt);
}

function dataOf(span: Span, type: string, { isTriplet, ...context }: DataContext): JsonObject {
  const text = span.attributes[dataAttribute];
  if (typeof text !== 'string') {
    if (type === 'reward') return { value: primaryValue(span) ?? null };
    return isTriplet ? toTriplet(span) : toModelRequest(span, context);
  }
  const data = JSON.parse(text) as JsonObject;
  return isTriplet && type === 'reward' ? trimReward(data) : data;
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

function eventAt(span: Span, eventType: string, data: JsonObject): Agl10Event {
  return eventOf(span.rolloutId, { attemptId: attemptOf(span), eventType, data }, span.endTimeMs);
}

function trimReward(data: JsonObject): JsonObject {
  const kept = ['source', 'reason']
    .filter((name) => name in data)
    .map((name): [string, JsonValue] => [name, data[name]!]);
  return { value: data['value'] ?? null, ...Object.fromEntries(kept) };
}

function primaryValue({ attributes }: Span): number | undefined {
  const value = attributes[rewardValueAttribute(0)];
  return typeof value === 'number' ? value : undefined;
}

/** Keeps the last of the model calls with the same prompt, as 1.0 does: its clients repeat calls. Those without token ids all stay. */
function dropRepeated(events: readonly Agl10Event[]): readonly Agl10Event[] {
  const keys = events.map(({ event_type: type, data }) => {
    const ids = type === callType ? data['prompt_token_ids'] : undefined;
    return Array.isArray(ids) && ids.length > 0 ? ids.join(',') : undefined;
  });
  const last = new Map(keys.map((key, index) => [key, index]));
  return events.filter((_event, index) => keys[index] === undefined || last.get(keys[index]) === index);
}
