import type { JsonValue, ResourcesVersion, Attempt, Rollout, Span, TokenBlob, StoreEvent } from '@agent-lightning/core';
import type { AttemptRecord, RolloutRecord, SpanRecord } from './records.ts';

/** Holds a row of an SQL database by column name. The stores on SQL share the names of their columns, and these codecs. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Holds the parts of a rollout that never change, besides its input, as `tasks` holds them. */
type Settings = Pick<Rollout, 'workerTags' | 'resourcesId' | 'retry' | 'timeouts' | 'metadata'>;

export function encodeSettings({ workerTags, resourcesId, retry, timeouts, metadata }: Rollout): string {
  return JSON.stringify({ workerTags, resourcesId, retry, timeouts, metadata });
}

/** Reads a rollout from a row of `rollouts` with the row of `tasks` that belongs to it. */
export function decodeRollout(row: SqlRow): RolloutRecord {
  const { workerTags, resourcesId, retry, timeouts, metadata } = JSON.parse(row['settings'] as string) as Settings;
  const rollout: Rollout = {
    rolloutId: row['rollout_id'] as string,
    input: JSON.parse(row['input'] as string) as JsonValue,
    mode: row['mode'] as Rollout['mode'],
    status: row['status'] as Rollout['status'],
    ...optional('groupId', row['group_id'] as string | null),
    ...optional('runId', row['run_id'] as string | null),
    queue: row['queue'] as string,
    priority: row['priority'] as number,
    ...optional('workerTags', workerTags ?? null),
    ...optional('resourcesId', resourcesId ?? null),
    retry,
    timeouts,
    metadata,
    attemptCount: row['attempt_count'] as number,
    ...decodeFailure(row),
    createdAtMs: row['created_at_ms'] as number,
    availableAtMs: row['available_at_ms'] as number,
    ...optional('endedAtMs', row['ended_at_ms'] as number | null),
  };
  return {
    rollout,
    lastSequenceId: row['last_sequence_id'] as number,
    ...optional('deadlineMs', row['deadline_ms'] as number | null),
  };
}

export function decodeAttempt(row: SqlRow): AttemptRecord {
  const attempt: Attempt = {
    attemptId: row['attempt_id'] as string,
    rolloutId: row['rollout_id'] as string,
    attemptNumber: row['attempt_number'] as number,
    status: row['status'] as Attempt['status'],
    workerId: row['worker_id'] as string,
    startedAtMs: row['started_at_ms'] as number,
    lastProgressAtMs: row['last_progress_at_ms'] as number,
    leaseExpiresAtMs: row['lease_expires_at_ms'] as number,
    ...decodeFailure(row),
    ...optional('endedAtMs', row['ended_at_ms'] as number | null),
  };
  return { attempt, fencingToken: row['fencing_token'] as number, leaseMs: row['lease_ms'] as number };
}

export function encodeFailure(failure: Rollout['failure']): string | null {
  return failure === undefined ? null : JSON.stringify(failure);
}

function decodeFailure(row: SqlRow): Pick<Rollout, 'failure'> {
  const text = row['failure'] as string | null;
  return text === null ? {} : { failure: JSON.parse(text) as NonNullable<Rollout['failure']> };
}

type SpanBody = Pick<
  Span,
  'isOpen' | 'traceId' | 'parentSpanId' | 'status' | 'startTimeMs' | 'endTimeMs' | 'attributes'
>;

/** Begins the body of every open span, and no other: a database sees it without parsing a body of megabytes. */
export const openBodyStart: string = '{"isOpen":true';

export function encodeSpanBody(span: Span): string {
  const { isOpen, traceId, parentSpanId, status, startTimeMs, endTimeMs, attributes } = span;
  return JSON.stringify({ isOpen, traceId, parentSpanId, status, startTimeMs, endTimeMs, attributes });
}

/** Reads what is needed of a stored span from a row with `is_open`, which SQLite answers with a number. */
export function decodeSpanRecord(row: SqlRow): SpanRecord {
  return { sequenceId: row['sequence_id'] as number, isOpen: Boolean(row['is_open']) };
}

export function decodeSpan(row: SqlRow, rolloutId: string): Span {
  const packed = row['packed'] as Uint8Array | null | undefined;
  return {
    ...(JSON.parse(row['body'] as string) as SpanBody),
    spanId: row['span_id'] as string,
    kind: row['kind'] as Span['kind'],
    name: row['name'] as string,
    rolloutId,
    attemptId: row['attempt_id'] as string,
    sequenceId: row['sequence_id'] as number,
    ...(packed === null || packed === undefined ? {} : { tokens: unpackTokens(packed) }),
  };
}

/** Packs two counts, then prompt, response and logprobs: little-endian 32-bit words, as typed arrays lie in memory on every machine that Node runs on. */
export function packTokens({ prompt, response, logprobs }: TokenBlob): Uint8Array {
  const words = new Int32Array(2 + prompt.length + 2 * response.length);
  words[0] = prompt.length;
  words[1] = response.length;
  words.set(prompt, 2);
  words.set(response, 2 + prompt.length);
  words.set(new Int32Array(logprobs.buffer, logprobs.byteOffset, logprobs.length), 2 + prompt.length + response.length);
  return new Uint8Array(words.buffer);
}

export function unpackTokens(packed: Uint8Array): TokenBlob {
  // Not `slice`: a Buffer's shares the memory, and so the alignment.
  const { buffer, byteOffset } = packed.byteOffset % 4 === 0 ? packed : new Uint8Array(packed);
  const [prompts, responses] = new Int32Array(buffer, byteOffset, 2) as unknown as [number, number];
  const responseAt = byteOffset + 4 * (2 + prompts);
  return {
    prompt: new Int32Array(buffer as ArrayBuffer, byteOffset + 8, prompts),
    response: new Int32Array(buffer as ArrayBuffer, responseAt, responses),
    logprobs: new Float32Array(buffer as ArrayBuffer, responseAt + 4 * responses, responses),
  };
}

export function decodeResources(row: SqlRow): ResourcesVersion {
  return {
    resourcesId: row['resources_id'] as string,
    version: row['version'] as number,
    resources: JSON.parse(row['body'] as string) as ResourcesVersion['resources'],
    createdAtMs: row['created_at_ms'] as number,
  };
}

export function decodeEvent(row: SqlRow): StoreEvent {
  return {
    cursor: String(row['cursor']),
    type: row['type'] as StoreEvent['type'],
    id: row['id'] as string,
    ...optional('status', row['status'] as NonNullable<StoreEvent['status']> | null),
  };
}

function optional<Name extends string, Value>(name: Name, value: Value | null): { readonly [Key in Name]?: Value } {
  return (value === null ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };
}
