import type {
  JsonValue,
  NamedResources,
  Failure,
  Lease,
  RetryPolicy,
  RolloutMode,
  EnqueueRequest,
} from '@agent-lightning/core';
import type {
  Resource,
  SamplingParameters,
  RolloutStatus,
  RolloutTimeouts,
  AttemptStatus,
  ClaimRequest,
  RolloutQuery,
  WorkFilter,
} from './contract-types.ts';
import { rolloutTransitions } from './status-graph.ts';
import {
  checkArray,
  checkFields,
  checkId,
  checkInteger,
  checkJson,
  checkListOf,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptionalId,
  checkText,
  storeLimits,
} from './field-checks.ts';
import type { ClaimFilter, ResolvedRolloutQuery } from './records.ts';
import { invalidField } from './store-errors.ts';

const modes: readonly RolloutMode[] = ['train', 'val', 'test'];
const endedBadly: readonly AttemptStatus[] = ['failed', 'timeout', 'unresponsive', 'cancelled'];
const defaultRetryOn: readonly AttemptStatus[] = ['failed', 'timeout', 'unresponsive'];
/** The longest duration, 30 days: a longer one is a mistake of unit. */
const maxDurationMs: number = 30 * 24 * 3_600_000;

/** Holds an enqueue request with every default filled in, but for those that the store knows: id, resources, time. */
export interface ResolvedEnqueue {
  readonly rolloutId: string | undefined;
  readonly input: JsonValue;
  readonly mode: RolloutMode;
  readonly groupId: string | undefined;
  readonly runId: string | undefined;
  readonly queue: string;
  readonly priority: number;
  readonly workerTags: readonly string[];
  readonly resourcesId: string | undefined;
  readonly retry: RetryPolicy;
  readonly timeouts: RolloutTimeouts;
  readonly metadata: { readonly [key: string]: JsonValue };
}

const requestFields: Readonly<Record<keyof EnqueueRequest, true>> = {
  input: true,
  rolloutId: true,
  mode: true,
  groupId: true,
  runId: true,
  queue: true,
  priority: true,
  workerTags: true,
  resourcesId: true,
  retry: true,
  timeouts: true,
  metadata: true,
};

export function resolveEnqueue(request: EnqueueRequest, index: number): ResolvedEnqueue {
  const at = `requests[${index}]`;
  checkFields(at, request, requestFields);
  return {
    rolloutId: checkOptionalId(`${at}.rolloutId`, request.rolloutId),
    input: checkJson(`${at}.input`, request.input),
    mode: checkOneOf(`${at}.mode`, request.mode ?? 'train', modes),
    groupId: checkOptionalId(`${at}.groupId`, request.groupId),
    runId: checkOptionalId(`${at}.runId`, request.runId),
    queue: checkId(`${at}.queue`, request.queue ?? 'default'),
    priority: checkInteger(`${at}.priority`, request.priority ?? 0, -1_000_000, 1_000_000),
    workerTags: checkTags(`${at}.workerTags`, request.workerTags),
    resourcesId: checkOptionalId(`${at}.resourcesId`, request.resourcesId),
    retry: resolveRetry(`${at}.retry`, request.retry ?? {}),
    timeouts: resolveTimeouts(`${at}.timeouts`, request.timeouts ?? {}),
    metadata: checkJson(
      `${at}.metadata`,
      checkObject(`${at}.metadata`, request.metadata ?? {}),
    ) as ResolvedEnqueue['metadata'],
  };
}

const retryFields: Readonly<Record<keyof RetryPolicy, true>> = {
  maxAttempts: true,
  retryOn: true,
  retryCodes: true,
  backoffMs: true,
  maxBackoffMs: true,
};

function resolveRetry(field: string, given: Partial<RetryPolicy>): RetryPolicy {
  checkFields(field, given, retryFields);
  return {
    maxAttempts: checkInteger(`${field}.maxAttempts`, given.maxAttempts ?? 1, 1, 100),
    retryOn: checkListOf(`${field}.retryOn`, given.retryOn ?? defaultRetryOn, endedBadly),
    ...(given.retryCodes === undefined ? {} : { retryCodes: checkCodes(`${field}.retryCodes`, given.retryCodes) }),
    backoffMs: checkInteger(`${field}.backoffMs`, given.backoffMs ?? 0, 0, maxDurationMs),
    maxBackoffMs: checkInteger(`${field}.maxBackoffMs`, given.maxBackoffMs ?? 60_000, 0, maxDurationMs),
  };
}

function checkCodes(field: string, codes: readonly string[]): readonly string[] {
  return checkArray(field, codes, storeLimits.retryCodes).map((code, index) =>
    checkText(`${field}[${index}]`, code, storeLimits.nameCharacters, 1),
  );
}

const timeoutFields: Readonly<Record<keyof RolloutTimeouts, true>> = {
  queueMs: true,
  startToFinishMs: true,
  noProgressMs: true,
  totalMs: true,
};

function resolveTimeouts(field: string, given: RolloutTimeouts): RolloutTimeouts {
  checkFields(field, given, timeoutFields);
  const clocks = ['queueMs', 'startToFinishMs', 'noProgressMs', 'totalMs'] as const;
  const timeouts: { -readonly [Clock in keyof RolloutTimeouts]: number } = {};
  for (const clock of clocks) {
    if (given[clock] !== undefined) timeouts[clock] = checkInteger(`${field}.${clock}`, given[clock], 1, maxDurationMs);
  }
  return timeouts;
}

export interface ResolvedClaim {
  readonly workerId: string;
  readonly limit: number;
  readonly leaseMs: number;
}

const claimFields: Readonly<Record<keyof ClaimRequest, true>> = {
  workerId: true,
  limit: true,
  leaseMs: true,
  queues: true,
  modes: true,
  runId: true,
  workerTags: true,
};

export function resolveClaim(request: ClaimRequest): ResolvedClaim {
  checkFields('request', request, claimFields);
  return {
    workerId: checkId('request.workerId', request.workerId),
    limit: checkInteger('request.limit', request.limit ?? 1, 1, 10_000),
    leaseMs: checkInteger('request.leaseMs', request.leaseMs ?? 30_000, 1, maxDurationMs),
  };
}

export function resolveFilter(request: WorkFilter): ClaimFilter {
  checkFields<object>('request', request, claimFields);
  const queues = checkArray('request.queues', request.queues ?? ['default'], 1_000).map((queue, index) =>
    checkId(`request.queues[${index}]`, queue),
  );
  if (queues.length === 0) throw invalidField('request.queues', 'must name at least one queue');
  const runId = checkOptionalId('request.runId', request.runId);
  const workerTags = checkTags('request.workerTags', request.workerTags);
  return {
    queues,
    modes: checkListOf('request.modes', request.modes ?? [], modes),
    workerTags,
    ...(runId === undefined ? {} : { runId }),
  };
}

function checkTags(field: string, tags: readonly string[] | undefined): readonly string[] {
  return checkArray(field, tags ?? [], 32).map((tag, index) => checkId(`${field}[${index}]`, tag));
}

export function checkLease(lease: Lease): Lease {
  checkObject('lease', lease);
  return {
    rolloutId: checkId('lease.rolloutId', lease.rolloutId),
    attemptId: checkId('lease.attemptId', lease.attemptId),
    fencingToken: checkInteger('lease.fencingToken', lease.fencingToken, 1),
  };
}

export type ResolvedFailure = Failure & { readonly status: 'failed' | 'timeout' | 'cancelled' };

export function resolveFailure(failure: Failure & { readonly status?: ResolvedFailure['status'] }): ResolvedFailure {
  checkFields('failure', failure, { code: true, message: true, status: true });
  return {
    code: checkText('failure.code', failure.code, storeLimits.nameCharacters, 1),
    message: checkMessage('failure.message', failure.message),
    status: checkOneOf('failure.status', failure.status ?? 'failed', ['failed', 'timeout', 'cancelled']),
  };
}

/** Returns a message that a database can hold: it may come from anywhere, so that what does not fit is replaced rather than rejected. */
export function checkMessage(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidField(field, 'must be a string', value);
  const clean = value.replaceAll('\0', '\uFFFD').toWellFormed();
  const limit = storeLimits.messageCharacters;
  return clean.length <= limit
    ? clean
    : `${clean.slice(0, limit - 40).toWellFormed()}… (${clean.length} characters in all)`;
}

export function checkIds(field: string, ids: readonly string[]): readonly string[] {
  return checkArray(field, ids).map((id, index) => checkId(`${field}[${index}]`, id));
}

const queryFields: Readonly<Record<keyof RolloutQuery, true>> = {
  rolloutIds: true,
  statuses: true,
  modes: true,
  runId: true,
  groupId: true,
  endedSinceMs: true,
  order: true,
  limit: true,
  cursor: true,
};

export function resolveQuery(query: RolloutQuery): ResolvedRolloutQuery {
  checkFields('query', query, queryFields);
  const runId = checkOptionalId('query.runId', query.runId);
  const groupId = checkOptionalId('query.groupId', query.groupId);
  const statuses = Object.keys(rolloutTransitions) as RolloutStatus[];
  return {
    ...(query.rolloutIds === undefined ? {} : { rolloutIds: checkIds('query.rolloutIds', query.rolloutIds) }),
    ...(query.statuses === undefined ? {} : { statuses: checkListOf('query.statuses', query.statuses, statuses) }),
    ...(query.modes === undefined ? {} : { modes: checkListOf('query.modes', query.modes, modes) }),
    ...(runId === undefined ? {} : { runId }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(query.endedSinceMs === undefined
      ? {}
      : { endedSinceMs: checkInteger('query.endedSinceMs', query.endedSinceMs, 0) }),
    ...(query.cursor === undefined ? {} : { cursor: checkText('query.cursor', query.cursor, 200, 1) }),
    order: checkOneOf('query.order', query.order ?? 'asc', ['asc', 'desc']),
    limit: checkInteger('query.limit', query.limit ?? 1_000, 1, 10_000),
  };
}

export function checkResources(resources: NamedResources): NamedResources {
  const entries = Object.entries(checkObject('resources', resources) as NamedResources);
  return Object.fromEntries(
    entries.map(([name, resource]) => [
      checkText('a name in resources', name, storeLimits.nameCharacters, 1),
      checkResource(`resources.${name}`, resource),
    ]),
  );
}

function checkResource(field: string, resource: Resource): Resource {
  checkObject(field, resource);
  const type = checkOneOf(`${field}.type`, resource.type, ['llm', 'prompt_template', 'json']);
  if (resource.type === 'llm') {
    return {
      type: 'llm',
      model: checkText(`${field}.model`, resource.model, storeLimits.nameCharacters, 1),
      policyVersion: checkInteger(`${field}.policyVersion`, resource.policyVersion, 0),
      sampling: checkSampling(`${field}.sampling`, resource.sampling),
    };
  }
  if (resource.type === 'prompt_template') {
    return {
      type: 'prompt_template',
      template: checkText(`${field}.template`, resource.template, storeLimits.jsonCharacters),
      engine: checkOneOf(`${field}.engine`, resource.engine, ['f-string', 'jinja']),
    };
  }
  return { type: type as 'json', value: checkJson(`${field}.value`, resource.value) };
}

function checkSampling(field: string, sampling: SamplingParameters): SamplingParameters {
  const given = checkObject(field, sampling);
  for (const [name, value] of Object.entries(given)) {
    checkNumber(
      `${field}.${checkOneOf(`a name in ${field}`, name, ['temperature', 'topP', 'maxTokens', 'seed'])}`,
      value,
    );
  }
  return { ...given } as SamplingParameters;
}
