import { attributeNames, type JsonValue, type Span } from '@agent-lightning/core';
import { originAttribute, type SpanOrigin } from '../otlp/to-span.ts';
import { originOf } from '../otlp/sequence-numbers.ts';
import type { ExportedSpan } from '../otlp/trace-export.ts';
import { FieldReader } from './read-fields.ts';
import { lineIdOf } from './rollout-lines.ts';
import type { AglSpan, JsonObject } from './shapes.ts';

const statusCodes = { unset: 'UNSET', ok: 'OK', error: 'ERROR' } as const;
const statusNames = ['UNSET', 'OK', 'ERROR'] as const;

/** Shows a span of ours as Agent Lightning 0.3 has it: one that came from there as it came, any other under the names that it looks for. */
export function toAglSpan(span: Span): AglSpan {
  const origin = originOf(span);
  const parts = origin.parts ?? {};
  const attributes = origin.parts === undefined ? describeOwn(span) : restoreAttributes(span, origin);
  return {
    rollout_id: lineIdOf(span.rolloutId),
    attempt_id: span.attemptId,
    sequence_id: span.sequenceId,
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_id: span.parentSpanId ?? null,
    name: origin.parts === undefined ? nameOfOwn(span) : span.name,
    status: { status_code: statusCodes[span.status.code], description: span.status.message ?? null },
    attributes,
    events: [],
    links: [],
    start_time: span.startTimeMs / 1_000,
    end_time: span.endTimeMs / 1_000,
    context: { trace_id: span.traceId, span_id: span.spanId, is_remote: false, trace_state: {} },
    parent: null,
    resource: { attributes: {}, schema_url: '' },
    ...parts,
  };
}

/** Returns the attributes as they came: without ours, and with the token ids that are kept as tokens. */
function restoreAttributes(
  { attributes, tokens }: Span,
  { added = [], changed = {}, lifted = {} }: SpanOrigin,
): JsonObject {
  const { [originAttribute]: _origin, [attributeNames.omitted]: _omitted, ...given } = attributes;
  const kept = Object.entries(given).filter(([name]) => !added.includes(name));
  const ids: [string, JsonValue][] = [];
  if (tokens !== undefined && lifted.prompt !== undefined) ids.push([lifted.prompt, [...tokens.prompt]]);
  if (tokens !== undefined && lifted.response !== undefined) ids.push([lifted.response, [...tokens.response]]);
  return Object.fromEntries([...kept, ...Object.entries(changed), ...ids]) as JsonObject;
}

/** The names by which the adapters of 0.3 know spans. */
function nameOfOwn({ kind, name }: Span): string {
  if (kind === 'model_call') return 'openai.chat.completion';
  return kind === 'reward' ? 'agentlightning.annotation' : name;
}

/** Adds to a span of our own the attributes by which 0.3 makes a triplet of it. */
function describeOwn({ kind, attributes, tokens }: Span): JsonObject {
  if (kind !== 'model_call') return attributes as JsonObject;
  const messages = {
    ...flattenMessages('gen_ai.prompt', attributes[attributeNames.inputMessages]),
    ...flattenMessages('gen_ai.completion', attributes[attributeNames.outputMessages]),
  };
  if (tokens === undefined) return { ...(attributes as JsonObject), ...messages };
  return {
    ...(attributes as JsonObject),
    ...messages,
    prompt_token_ids: [...tokens.prompt],
    response_token_ids: [...tokens.response],
    'logprobs.content': JSON.stringify(
      [...tokens.logprobs].map((logprob) => ({ token: '', logprob, bytes: null, top_logprobs: [] })),
    ),
  };
}

function flattenMessages(prefix: string, text: unknown): JsonObject {
  if (typeof text !== 'string') return {};
  let messages: unknown;
  try {
    messages = JSON.parse(text);
  } catch {
    return {}; // The text is there in its own attribute.
  }
  if (!Array.isArray(messages)) return {};
  const entries = messages.flatMap((message: unknown, index): [string, string][] => {
    const { role, content } = (message ?? {}) as { readonly role?: unknown; readonly content?: unknown };
    const shown = typeof content === 'string' ? content : JSON.stringify(content ?? '');
    return [
      [`${prefix}.${index}.role`, String(role ?? '')],
      [`${prefix}.${index}.content`, shown],
    ];
  });
  return Object.fromEntries(entries);
}

/** The fields of a span of 0.3, all of which its clients send. */
export const spanFields = [
  'rollout_id',
  'attempt_id',
  'sequence_id',
  'trace_id',
  'span_id',
  'parent_id',
  'name',
  'status',
  'attributes',
  'events',
  'links',
  'start_time',
  'end_time',
  'context',
  'parent',
  'resource',
] as const;

/** A span as a client posted it, and what is kept to answer with it again. */
export interface PostedSpan {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly spanId: string;
  readonly sequenceId: number;
  readonly exported: ExportedSpan;
  readonly parts: Readonly<Record<string, unknown>>;
}

/** Reads a posted span. @throws {RequestError} 422 naming the fields */
export function readPostedSpan(body: unknown): PostedSpan {
  const reader = new FieldReader(body).require(...spanFields);
  const status = reader.inner('status');
  const code = status?.oneOf('status_code', statusNames) ?? 'UNSET';
  const [startTime, endTime] = [reader.number('start_time'), reader.number('end_time')];
  const attributes = reader.object('attributes') ?? {};
  for (const [name, value] of Object.entries(attributes))
    if (value === null || (typeof value === 'object' && !Array.isArray(value)))
      reader.complain('string_type', 'Input should be a string, boolean, number or a list of one of them', value, name);
  const texts = ['rollout_id', 'attempt_id', 'trace_id', 'span_id', 'name'].map((name) => reader.text(name) ?? '');
  const parentId = reader.text('parent_id');
  const sequenceId = reader.integer('sequence_id') ?? 0;
  const description = status?.text('description') ?? null;
  reader.finish();
  const [rolloutId = '', attemptId = '', traceId = '', spanId = '', name = ''] = texts;
  const exported: ExportedSpan = {
    traceId,
    spanId,
    parentSpanId: parentId ?? '',
    name,
    startTimeMs: startTime === null ? undefined : Math.max(0, startTime * 1_000),
    endTimeMs: endTime === null ? undefined : Math.max(0, endTime * 1_000),
    attributes,
    events: [],
    links: [],
    statusCode: ({ UNSET: 'unset', OK: 'ok', ERROR: 'error' } as const)[code],
    statusMessage: description ?? '',
  };
  const { rollout_id: _rollout, attempt_id: _attempt, attributes: _attributes, ...parts } = body as JsonObject;
  return { rolloutId, attemptId, spanId, sequenceId, exported, parts };
}
