import type { LlmEndpoint, PolicySnapshot, RolloutMode } from '@agent-lightning/core';
import type { OpenClaim } from '../attempts/attempt-session.ts';
import { integerField, present } from '../request/request-fields.ts';
import type { JsonObject } from '../http/read-body.ts';
import { invalidField } from '../http/reply-error.ts';
import { shownUrl } from '../http/shown-url.ts';
import type { StalenessOptions, StaleVerdict } from '../policies/staleness-rule.ts';

/** A model that the gateway serves. */
export interface ModelEntry {
  readonly name: string;
  readonly isPolicy: boolean;
  readonly snapshot: PolicySnapshot;
  /** Calls in flight on its current snapshot. */
  readonly calls: number;
}

/** Returns models as the operator sees them, without keys. */
export function modelsToJson(models: readonly ModelEntry[]): readonly JsonObject[] {
  return models.map(({ name, isPolicy, snapshot, calls }) => ({
    name,
    kind: isPolicy ? 'policy' : 'passthrough',
    calls,
    ...(isPolicy ? { version: snapshot.version } : {}),
    ...(snapshot.kind === 'engine'
      ? { upstream: 'embedded' }
      : {
          model: snapshot.model,
          servers: [snapshot.baseUrl, ...(snapshot.replicas ?? [])].map((address) => shownUrl(address)),
        }),
  }));
}

const modes: ReadonlySet<unknown> = new Set<RolloutMode>(['train', 'val', 'test']);

function idField(body: JsonObject, field: string): string {
  const value = present(body, field);
  if (typeof value !== 'string' || value === '' || value.length > 512)
    throw invalidField(field, 'must be a text of 1 to 512 characters');
  return value;
}

/** Returns a field that must be an integer of at least 0. @throws {ReplyError} `request-invalid` for another value */
export function countField(body: JsonObject, field: string): number {
  const value = integerField(body, field, 0, Number.MAX_SAFE_INTEGER);
  if (value === undefined) throw invalidField(field, 'must be an integer of at least 0');
  return value;
}

/** Returns what a gateway needs of a claim, as JSON. */
export function claimToJson({ rollout, attempt, lease }: OpenClaim): JsonObject {
  return {
    rollout_id: attempt.rolloutId,
    attempt_id: attempt.attemptId,
    attempt_number: attempt.attemptNumber,
    mode: rollout.mode,
    fencing_token: lease.fencingToken,
    ...(rollout.resourcesId !== undefined && { resources_id: rollout.resourcesId }),
  };
}

/** Reads a claim out of a request. @throws {ReplyError} `request-invalid`, naming the field */
export function readClaim(body: JsonObject): OpenClaim {
  const rolloutId = idField(body, 'rollout_id');
  const attemptId = idField(body, 'attempt_id');
  const mode = present(body, 'mode');
  if (!modes.has(mode)) throw invalidField('mode', 'must be "train", "val" or "test"');
  return {
    rollout: {
      rolloutId,
      mode: mode as RolloutMode,
      ...(present(body, 'resources_id') !== undefined && { resourcesId: idField(body, 'resources_id') }),
    },
    attempt: { rolloutId, attemptId, attemptNumber: countField(body, 'attempt_number') },
    lease: { rolloutId, attemptId, fencingToken: countField(body, 'fencing_token') },
  };
}

/** Returns a staleness rule as JSON; Infinity, which JSON does not have, is null. */
export function stalenessToJson({ maxStaleness, onStale }: StalenessOptions): JsonObject {
  return {
    ...(maxStaleness === undefined ? {} : { max_staleness: Number.isFinite(maxStaleness) ? maxStaleness : null }),
    ...(onStale === undefined ? {} : { on_stale: onStale }),
  };
}

/** Reads a staleness rule out of a request. @throws {ReplyError} `request-invalid`, naming the field */
export function readStaleness(
  body: JsonObject,
): Omit<StalenessOptions, 'onStale'> & { readonly onStale?: StaleVerdict } {
  const isGiven = Object.hasOwn(body, 'max_staleness');
  const maxStaleness = integerField(body, 'max_staleness', 0, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY;
  const onStale = present(body, 'on_stale');
  if (onStale !== undefined && onStale !== 'mark' && onStale !== 'refuse')
    throw invalidField('on_stale', 'must be "mark" or "refuse"');
  if (!isGiven && onStale === undefined)
    throw invalidField('max_staleness', 'must be an integer of at least 0, or null for no bound');
  return { ...(isGiven ? { maxStaleness } : {}), ...(onStale === undefined ? {} : { onStale }) };
}

export function endpointToJson({ apiKey, baseUrl, model, sampling, isOwn }: LlmEndpoint): JsonObject {
  return { api_key: apiKey, base_url: baseUrl, model, sampling, ...(isOwn === true && { is_own: true }) };
}

export function endpointFromJson(body: JsonObject): LlmEndpoint {
  return {
    apiKey: idField(body, 'api_key'),
    baseUrl: String(body['base_url']),
    model: idField(body, 'model'),
    sampling: (body['sampling'] ?? {}) as LlmEndpoint['sampling'],
    ...(body['is_own'] === true && { isOwn: true }),
  };
}
