import { isSpanId, isTraceId } from './trace-ids.ts';
import {
  isLogprob,
  rewardNameAttribute,
  rewardValueAttribute,
  type Attributes,
  type AttributeValue,
  type SpanInput,
  type TokenBlob,
  type SpanQuery,
} from '@agent-lightning/core';
import type { SpanKind, SpanStatus } from './contract-types.ts';
import {
  checkArray,
  checkFields,
  checkId,
  checkListOf,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
  storeLimits,
} from './field-checks.ts';
import { checkIds, checkMessage } from './request-checks.ts';
import { invalidField, type FieldName } from './store-errors.ts';

const kinds: readonly SpanKind[] = [
  'model_call',
  'tool_call',
  'agent',
  'reward',
  'message',
  'object',
  'exception',
  'operation',
];

/** Remembers checked copies, which nobody else holds: they need neither a second check nor a second copy on their way into a store. */
const checkedSpans = new WeakSet<SpanInput>();

/** Returns checked copies of the spans: the caller may reuse its objects and arrays. It is the only copy of the tokens on the way in. */
export function checkSpans(spans: readonly SpanInput[]): readonly SpanInput[] {
  return checkArray('spans', spans).map((span, index) => checkSpan(`spans[${index}]`, span as SpanInput));
}

/** Returns a checked copy of one span by the one set of rules, for the recorder and for every store. @throws `store-invalid` naming the field */
export function checkSpan(at: string, span: SpanInput): SpanInput {
  checkObject(at, span);
  if (checkedSpans.has(span)) return span;
  const kind = checkOneOf(`${at}.kind`, span.kind, kinds);
  const startTimeMs = checkNumber(`${at}.startTimeMs`, span.startTimeMs);
  const endTimeMs = checkNumber(`${at}.endTimeMs`, span.endTimeMs);
  if (startTimeMs < 0) throw invalidField(`${at}.startTimeMs`, 'must not be negative', startTimeMs);
  if (endTimeMs < startTimeMs)
    throw invalidField(`${at}.endTimeMs`, `must not be before startTimeMs (${startTimeMs})`, endTimeMs);
  if (span.tokens !== undefined && kind !== 'model_call')
    throw invalidField(`${at}.tokens`, `belong to a model_call, and this is a ${kind}`);
  const isOpen = checkOpen(at, span, kind);
  const attributes = checkAttributes(`${at}.attributes`, span.attributes);
  if (kind === 'reward') checkRewardAttributes(`${at}.attributes`, attributes);
  const checked = Object.freeze({
    spanId: checkSpanId(`${at}.spanId`, span.spanId),
    traceId: checkTraceId(`${at}.traceId`, span.traceId),
    ...(span.parentSpanId === undefined ? {} : { parentSpanId: checkSpanId(`${at}.parentSpanId`, span.parentSpanId) }),
    kind,
    name: checkText(`${at}.name`, span.name, storeLimits.nameCharacters, 1),
    status: checkStatus(`${at}.status`, span.status),
    startTimeMs,
    endTimeMs,
    ...(isOpen ? { isOpen } : {}),
    attributes,
    ...(span.tokens === undefined ? {} : { tokens: checkTokens(`${at}.tokens`, span.tokens) }),
  });
  checkedSpans.add(checked);
  return checked;
}

export function checkReward(at: string, span: SpanInput): SpanInput {
  const checked = checkSpan(at, span);
  if (checked.kind !== 'reward') throw invalidField(`${at}.kind`, 'must be reward', checked.kind);
  return checked;
}

function checkSpanId(field: string, value: unknown): string {
  if (!isSpanId(value)) throw invalidField(field, 'must be 16 lower-case hex digits, not all 0', value);
  return value;
}

function checkTraceId(field: string, value: unknown): string {
  if (!isTraceId(value)) throw invalidField(field, 'must be 32 lower-case hex digits, not all 0', value);
  return value;
}

/** Rejects an open span that holds a reward or tokens: training reads them, so they must not change once they are written. */
function checkOpen(at: string, { isOpen = false, tokens }: SpanInput, kind: SpanKind): boolean {
  if (typeof isOpen !== 'boolean') throw invalidField(`${at}.isOpen`, 'must be true or false', isOpen);
  if (isOpen && kind === 'reward') throw invalidField(`${at}.isOpen`, 'must not be true for a reward', isOpen);
  if (isOpen && tokens !== undefined) throw invalidField(`${at}.tokens`, 'come with the end of an open span');
  return isOpen;
}

function checkStatus(at: string, status: SpanStatus): SpanStatus {
  checkObject(at, status);
  const code = checkOneOf(`${at}.code`, status.code, ['unset', 'ok', 'error']);
  return status.message === undefined ? { code } : { code, message: checkMessage(`${at}.message`, status.message) };
}

function checkAttributes(at: string, attributes: Attributes): Attributes {
  // A spread copies many members in one step, and own members of any name.
  const copy: Record<string, AttributeValue> = { ...(checkObject(at, attributes) as Attributes) };
  const names = Object.keys(copy);
  if (names.length > storeLimits.attributesPerSpan)
    throw invalidField(at, `must have at most ${storeLimits.attributesPerSpan} attributes; got ${names.length}`);
  let checking = '';
  const nameField = (): string => `a name in ${at}`;
  const field = (): string => `${at}[${JSON.stringify(checking.slice(0, 80))}]`;
  for (const name of names) {
    checking = checkText(nameField, name, storeLimits.nameCharacters, 1);
    const given = copy[name];
    const checked = checkAttribute(field, given);
    if (checked !== given) copy[name] = checked;
  }
  return Object.freeze(copy);
}

function checkAttribute(field: () => string, value: unknown): AttributeValue {
  if (!Array.isArray(value)) return checkPrimitive(field, value);
  const type = typeof value[0];
  let characters = 0;
  for (let index = 0; index < value.length; index++) {
    const item = checkPrimitive(() => `${field()}[${index}]`, value[index]);
    if (typeof item !== type) throw invalidField(`${field()}[${index}]`, `must be a ${type} like the first item`, item);
    characters += typeof item === 'string' ? item.length : 8;
  }
  if (characters > storeLimits.attributeCharacters)
    throw invalidField(
      field,
      `must have at most ${storeLimits.attributeCharacters} characters in all; got ${characters}`,
    );
  return [...value] as AttributeValue;
}

function checkPrimitive(field: FieldName, value: unknown): string | number | boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return checkNumber(field, value);
  if (typeof value !== 'string')
    throw invalidField(
      field,
      'must be a string, number, boolean or an array of one of them (flatten nested values, or store them as JSON text)',
      value,
    );
  if (value.length > storeLimits.attributeCharacters)
    throw invalidField(field, `must have at most ${storeLimits.attributeCharacters} characters`, value);
  return value;
}

/** Checks that a reward span has dimensions from index 0 on, each with a name and a finite value. */
function checkRewardAttributes(at: string, attributes: Attributes): void {
  for (
    let index = 0;
    index === 0 ||
    attributes[rewardNameAttribute(index)] !== undefined ||
    attributes[rewardValueAttribute(index)] !== undefined;
    index++
  ) {
    const [name, value] = [rewardNameAttribute(index), rewardValueAttribute(index)];
    checkText(`${at}["${name}"]`, attributes[name], storeLimits.nameCharacters, 1);
    const size = Math.abs(checkNumber(`${at}["${value}"]`, attributes[value]));
    if (size > storeLimits.rewardSize)
      throw invalidField(`${at}["${value}"]`, 'must be a reward from -1e9 to 1e9', attributes[value]);
  }
}

function checkTokens(at: string, tokens: TokenBlob): TokenBlob {
  checkObject(at, tokens);
  const { prompt, response, logprobs } = tokens;
  if (!(prompt instanceof Int32Array)) throw invalidField(`${at}.prompt`, 'must be an Int32Array', prompt);
  if (!(response instanceof Int32Array)) throw invalidField(`${at}.response`, 'must be an Int32Array', response);
  if (!(logprobs instanceof Float32Array)) throw invalidField(`${at}.logprobs`, 'must be a Float32Array', logprobs);
  if (logprobs.length !== response.length)
    throw invalidField(
      `${at}.logprobs`,
      `must have one value for each of the ${response.length} response tokens; got ${logprobs.length}`,
    );
  if (prompt.length + response.length > storeLimits.tokensPerSpan)
    throw invalidField(
      at,
      `must have at most ${storeLimits.tokensPerSpan} tokens; got ${prompt.length + response.length}`,
    );
  checkTokenIds(`${at}.prompt`, prompt);
  checkTokenIds(`${at}.response`, response);
  for (let index = 0; index < logprobs.length; index++) {
    const logprob = logprobs[index] as number;
    if (!isLogprob(logprob))
      throw invalidField(
        `${at}.logprobs[${index}]`,
        'must be the log-probability of a sampled token, at least -80 and at most 0',
        logprob,
      );
  }
  return { prompt: prompt.slice(), response: response.slice(), logprobs: logprobs.slice() };
}

function checkTokenIds(at: string, ids: Int32Array): void {
  // A prompt can have a hundred thousand: all signs are looked at together, and which one it is only when there is one.
  let signs = 0;
  for (let index = 0; index < ids.length; index++) signs |= ids[index] as number;
  if (signs >= 0) return;
  const index = ids.findIndex((id) => id < 0);
  throw invalidField(`${at}[${index}]`, 'must be a token id, at least 0', ids[index]);
}

function checkSpanIds(value: unknown): readonly string[] {
  return checkArray('query.spanIds', value).map((id, index) => checkSpanId(`query.spanIds[${index}]`, id));
}

const queryFields: Readonly<Record<keyof SpanQuery, true>> = {
  rolloutIds: true,
  attemptId: true,
  kinds: true,
  name: true,
  spanIds: true,
  under: true,
  includeTokens: true,
};

export function resolveSpanQuery(query: SpanQuery): SpanQuery {
  checkFields('query', query, queryFields);
  return {
    rolloutIds: [...new Set(checkIds('query.rolloutIds', query.rolloutIds))],
    ...(query.attemptId === undefined ? {} : { attemptId: checkId('query.attemptId', query.attemptId) }),
    ...(query.kinds === undefined ? {} : { kinds: checkListOf('query.kinds', query.kinds, kinds) }),
    ...(query.name === undefined ? {} : { name: checkText('query.name', query.name, storeLimits.nameCharacters) }),
    ...(query.spanIds === undefined ? {} : { spanIds: checkSpanIds(query.spanIds) }),
    ...(query.under === undefined ? {} : { under: checkSpanId('query.under', query.under) }),
    includeTokens: query.includeTokens === true,
  };
}
