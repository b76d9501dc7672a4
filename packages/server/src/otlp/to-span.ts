import { createHash } from 'node:crypto';
import { attributeNames, type AttributeValue, type SpanInput } from '@agent-lightning/core';
import { isSpanId, isTraceId, storeLimits } from '@agent-lightning/store';
import { readMeaning } from './span-meaning.ts';
import { setMember, type AnyAttributes, type AnyValue, type ExportedSpan } from './trace-export.ts';

/** The attribute in which the server keeps, as JSON, what a span had that our own spans have no place for. */
export const originAttribute = 'agentlightning.origin';

/** Holds what a span that came in over another protocol had beside what is kept of it. */
export interface SpanOrigin {
  /** Names of attributes that we added. */
  readonly added?: readonly string[];
  /** Attributes that we changed, as they came. */
  readonly changed?: Readonly<Record<string, AnyValue>>;
  /** The attributes that held the token ids. */
  readonly lifted?: { readonly prompt?: string; readonly response?: string };
  /** Further parts of the span, as its protocol has them. */
  readonly parts?: Readonly<Record<string, unknown>>;
}

/** The policy that answered a call. */
export interface CallPolicy {
  readonly name: string;
  readonly version: number;
}

/** A span that is ready for a store but for the policy of its call. */
export interface SpanDraft {
  /** The model that a call with tokens was asked for, when its policy is to be found; undefined when the span needs none. */
  readonly needsPolicyFor: string | undefined;
  finish(policy: CallPolicy | undefined): SpanInput;
}

export interface DraftOptions {
  /** The moment for a span without times. */
  readonly nowMs: number;
  /** Parts of the span that its own protocol gives back. */
  readonly parts?: Readonly<Record<string, unknown>>;
}

/** Turns an exported span into one of ours: kind, current attribute names, tokens; with what is needed to give it back as it was. */
export function draftSpan(span: ExportedSpan, { nowMs, parts }: DraftOptions): SpanDraft {
  const { kind, attributes: set, found } = readMeaning(span);
  const lifted = found?.tokens === undefined ? {} : found.lifted;
  const kept = keepAttributes(span.attributes, new Set(Object.values(lifted)));
  const isCaptured = found?.tokens !== undefined && !(attributeNames.policy in kept.attributes);
  const startTimeMs = span.startTimeMs ?? span.endTimeMs ?? nowMs;
  const finish = (policy: CallPolicy | undefined): SpanInput => {
    const wanted = isCaptured && policy !== undefined ? { ...set, ...policyAttributes(policy) } : set;
    return {
      spanId: toSpanId(span.spanId),
      traceId: toTraceId(span.traceId),
      ...(span.parentSpanId === '' || /^0+$/u.test(span.parentSpanId)
        ? {}
        : { parentSpanId: toSpanId(span.parentSpanId) }),
      kind,
      name: toName(span.name),
      status: { code: span.statusCode, ...(span.statusMessage === '' ? {} : { message: span.statusMessage }) },
      startTimeMs,
      endTimeMs: Math.max(startTimeMs, span.endTimeMs ?? startTimeMs),
      attributes: {
        ...kept.attributes,
        ...wanted,
        ...(kept.omitted.length === 0 ? {} : { [attributeNames.omitted]: kept.omitted }),
        [originAttribute]: JSON.stringify(originOf(span.attributes, wanted, lifted, parts)),
      },
      ...(found?.tokens === undefined ? {} : { tokens: found.tokens }),
    };
  };
  return {
    needsPolicyFor: isCaptured
      ? String(set[attributeNames.requestModel] ?? span.attributes[attributeNames.requestModel] ?? '')
      : undefined,
    finish,
  };
}

function policyAttributes({ name, version }: CallPolicy): Readonly<Record<string, AttributeValue>> {
  return { [attributeNames.policy]: name, [attributeNames.policyVersion]: version };
}

function originOf(
  came: AnyAttributes,
  set: Readonly<Record<string, AttributeValue>>,
  lifted: NonNullable<SpanOrigin['lifted']>,
  parts: SpanOrigin['parts'],
): SpanOrigin {
  const names = Object.keys(set);
  const changed = names.filter((name) => name in came);
  const added = names.filter((name) => !(name in came));
  return {
    ...(added.length === 0 ? {} : { added }),
    ...(changed.length === 0
      ? {}
      : { changed: Object.fromEntries(changed.map((name) => [name, came[name] as AnyValue])) }),
    ...(Object.keys(lifted).length === 0 ? {} : { lifted }),
    ...(parts === undefined ? {} : { parts }),
  };
}

/** The attributes that are left for those of ours. */
const mostAttributes = storeLimits.attributesPerSpan - 32;

/** Returns the attributes as a store takes them, and the names of those that are too many, too long or have no usable name. */
function keepAttributes(
  given: AnyAttributes,
  lifted: ReadonlySet<string>,
): { readonly attributes: Readonly<Record<string, AttributeValue>>; readonly omitted: readonly string[] } {
  const attributes: Record<string, AttributeValue> = {};
  const omitted: string[] = [];
  let count = 0;
  for (const name of Object.keys(given)) {
    const value = given[name] as AnyValue;
    if (value === null || lifted.has(name) || name === originAttribute) continue;
    const flat = toAttribute(value);
    if (count < mostAttributes && flat !== undefined && isUsableName(name)) {
      setMember(attributes, name, flat);
      count++;
    } else if (omitted.length < 100) omitted.push(name.slice(0, 100).replaceAll('\0', '\uFFFD').toWellFormed());
  }
  return { attributes, omitted };
}

function isUsableName(name: string): boolean {
  return name !== '' && name.length <= storeLimits.nameCharacters && !name.includes('\0') && name.isWellFormed();
}

/** Returns a value as our attributes have it: nested and mixed values as JSON text. Undefined when it is too long. */
function toAttribute(value: Exclude<AnyValue, null>): AttributeValue | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') return value.length <= storeLimits.attributeCharacters ? value : undefined;
  if (Array.isArray(value) && isPlainList(value)) return value as AttributeValue;
  const text = JSON.stringify(value);
  return text.length <= storeLimits.attributeCharacters ? text : undefined;
}

/** Tells whether a list holds primitives of one type, and not too much of them. */
function isPlainList(values: readonly AnyValue[]): boolean {
  const type = typeof values[0];
  let characters = 0;
  for (const value of values) {
    if (typeof value !== type || typeof value === 'object') return false;
    if (typeof value === 'number' && !Number.isFinite(value)) return false;
    characters += typeof value === 'string' ? value.length : 8;
  }
  return characters <= storeLimits.attributeCharacters;
}

function toName(name: string): string {
  const clean = name.replaceAll('\0', '\uFFFD').toWellFormed().slice(0, storeLimits.nameCharacters).toWellFormed();
  return clean === '' ? '(no name)' : clean;
}

/** Returns a span id as it is, or, of one that is no id of OpenTelemetry, one that follows from it. */
export function toSpanId(given: string): string {
  return isSpanId(given) ? given : hashOf(given).slice(0, 16);
}

function toTraceId(given: string): string {
  return isTraceId(given) ? given : hashOf(given).slice(0, 32);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
