import { runInRollout, TraceRecorder, type RolloutScope } from '@agent-lightning/tracing';
import type { Attempt, Lease, LlmEndpoint, Rollout, SpanInput } from '@agent-lightning/core';
import type { SpanKind } from '@agent-lightning/store';

/** A rollout with its own endpoint, whose spans stay in memory. */
export interface TestRollout {
  readonly scope: RolloutScope;
  run<Result>(work: () => Result): Result;
  /** Aborts the attempt, as a time limit does. */
  abort(): void;
  /** Returns the spans that were traced, once all of them are written. */
  spans(kind?: SpanKind): Promise<readonly SpanInput[]>;
}

let count = 0;

/** Starts a rollout without a store or a runner. Without a `baseUrl` it has no policy: its agents are only traced. */
export function startTestRollout(baseUrl?: string): TestRollout {
  const id = `r${++count}`;
  const lease: Lease = { rolloutId: id, attemptId: `${id}-a1`, fencingToken: count };
  const controller = new AbortController();
  const spans: SpanInput[] = [];
  const recorder = new TraceRecorder({ lease, store: { appendSpans: appendTo(spans) } });
  const llm: LlmEndpoint | undefined =
    baseUrl === undefined ? undefined : { baseUrl, apiKey: `key-${id}`, model: `policy-${id}`, sampling: {} };
  const scope: RolloutScope = {
    rollout: rolloutOf(id),
    attempt: attemptOf(lease),
    lease,
    resources: {},
    recorder,
    signal: controller.signal,
    ...(llm && { llm }),
  };
  return {
    scope,
    run: (work) => runInRollout(scope, work),
    abort: () => controller.abort(),
    async spans(kind) {
      await recorder.flush();
      return kind === undefined ? spans : spans.filter((span) => span.kind === kind);
    },
  };
}

function appendTo(spans: SpanInput[]): (lease: Lease, written: readonly SpanInput[]) => Promise<number[]> {
  return (_lease, written) => {
    for (const span of written) spans.push(span);
    return Promise.resolve(written.map((_, index) => index + 1));
  };
}

function rolloutOf(rolloutId: string): Rollout {
  return {
    rolloutId,
    input: null,
    mode: 'train',
    status: 'running',
    queue: 'default',
    priority: 0,
    timeouts: {},
    metadata: {},
    attemptCount: 1,
    retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 },
    createdAtMs: 0,
    availableAtMs: 0,
  };
}

function attemptOf({ rolloutId, attemptId }: Lease): Attempt {
  return {
    rolloutId,
    attemptId,
    attemptNumber: 1,
    status: 'running',
    workerId: 'test',
    startedAtMs: 0,
    lastProgressAtMs: 0,
    leaseExpiresAtMs: 1e15,
  };
}
