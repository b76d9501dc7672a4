import {
  TraceError,
  attributeNames,
  check,
  type Attributes,
  rewardAttributes,
  type RewardValue,
} from '@agent-lightning/core';
import type { SpanKind } from '@agent-lightning/store';
import { activeSpan } from '../scope/active-span.ts';
import { flattenAttributes, type NestedAttributes } from '../writing/attribute-values.ts';
import { exceptionAttributes } from '../writing/exception-attributes.ts';
import { currentRollout } from '../scope/rollout-scope.ts';
import { writeTrace } from '../scope/untraceable.ts';

export interface EmitOptions {
  /** Attributes that are kept with the span; nested values become dotted names. */
  readonly attributes?: NestedAttributes;
}

type RewardAttributesOptions = NonNullable<Parameters<typeof rewardAttributes>[1]>;

export interface EmitRewardOptions extends EmitOptions, RewardAttributesOptions {}

/**
 * Gives the current rollout, one of its agents or one of its spans a reward: a number, or several named dimensions of which
 * training reads the primary one. Returns the span's id; outside a rollout it does nothing, so that an agent in production is as it was.
 * No emitter throws in live traffic: what is refused is counted in `capture.statistics.untraceable`.
 * @throws {TraceError} `reward-invalid` for a value that is not a finite number, naming the dimension
 */
export function emitReward(value: RewardValue, options: EmitRewardOptions = {}): string | undefined {
  const { attributes, ...reward } = options ?? {};
  return emit(
    'reward',
    'reward',
    () => rewardAttributes(value, reward),
    attributes === undefined ? {} : { attributes },
  );
}

/** Writes a text into the trace. Returns the span's id; outside a rollout it does nothing. @throws {TraceError} `span-invalid` for what is not a text */
export function emitMessage(text: string, options: EmitOptions = {}): string | undefined {
  return emit('message', 'message', () => messageAttributes(text), options);
}

/** Writes a value into the trace, as JSON. Returns the span's id; outside a rollout it does nothing. @throws {TraceError} `span-invalid` when JSON cannot hold it */
export function emitObject(value: unknown, options: EmitOptions = {}): string | undefined {
  return emit('object', 'object', () => objectAttributes(value), options);
}

/** Writes an exception into the trace, for one that the agent survived. Returns the span's id; outside a rollout it does nothing. */
export function emitException(thrown: unknown, options: EmitOptions = {}): string | undefined {
  return emit('exception', 'exception', () => exceptionAttributes(thrown), options);
}

function emit(kind: SpanKind, name: string, own: () => Attributes, options: EmitOptions): string | undefined {
  const scope = currentRollout();
  if (scope === undefined) return undefined;
  const parentSpanId = activeSpan(scope)?.spanId;
  return writeTrace(scope, () => {
    check.knownOptions(`an emitted ${kind}`, options, ['attributes']);
    return scope.recorder.record({
      kind,
      name,
      ...(parentSpanId !== undefined && { parentSpanId }),
      attributes: { ...flattenAttributes(options.attributes ?? {}), ...own() },
    });
  });
}

function messageAttributes(text: string): Attributes {
  if (typeof text !== 'string')
    throw new TraceError(`emitMessage takes a string; got ${typeof text}; use emitObject for other values`, {
      code: 'span-invalid',
    });
  return { [attributeNames.messageBody]: text };
}

function objectAttributes(value: unknown): Attributes {
  const type = typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'Object') : typeof value;
  return { [attributeNames.objectType]: type, [attributeNames.objectJson]: toJson(value) };
}

function toJson(value: unknown): string {
  let cause: unknown;
  try {
    const json: string | undefined = JSON.stringify(value);
    if (json !== undefined) return json;
  } catch (error) {
    cause = error;
  }
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  throw new TraceError(`emitObject takes what JSON can hold; got ${typeof value}${reason}`, {
    code: 'span-invalid',
    cause,
  });
}
