import {
  attributeNames,
  runInRollout,
  TraceRecorder,
  type Lease,
  type RolloutScope,
  type SpanInput,
} from '@agent-lightning/core';

/** A rollout whose spans stay in memory. */
export interface TestRollout {
  readonly scope: RolloutScope;
  run<Result>(work: () => Result): Result;
  spans(): Promise<readonly SpanInput[]>;
  /** One line a span, children indented, in the order in which they began. */
  outline(): Promise<readonly string[]>;
}

let count = 0;

/** Starts a rollout; without a `baseUrl` it has no policy. */
export function startRollout(baseUrl?: string): TestRollout {
  const id = `r${++count}`;
  const lease: Lease = { rolloutId: id, attemptId: `${id}-a1`, fencingToken: 1 };
  const spans: SpanInput[] = [];
  const recorder = new TraceRecorder({
    lease,
    store: {
      appendSpans: (_lease, written) => {
        spans.push(...written);
        return Promise.resolve(written.map((_, index) => index + 1));
      },
    },
  });
  const scope: RolloutScope = {
    ...recordsOf(lease),
    lease,
    resources: {},
    recorder,
    signal: new AbortController().signal,
    ...(baseUrl !== undefined && { llm: { baseUrl, apiKey: `key-${id}`, model: `policy-${id}`, sampling: {} } }),
  };
  const read = async (): Promise<readonly SpanInput[]> => {
    await recorder.flush();
    return spans.toSorted((a, b) => a.startTimeMs - b.startTimeMs);
  };
  return {
    scope,
    run: (work) => runInRollout(scope, work),
    spans: read,
    outline: async () => outlineOf(await read(), undefined, ''),
  };
}

function recordsOf({ rolloutId, attemptId }: Lease): Pick<RolloutScope, 'rollout' | 'attempt'> {
  const rollout: RolloutScope['rollout'] = {
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
  const times = { startedAtMs: 0, lastProgressAtMs: 0, leaseExpiresAtMs: 1e15 };
  return { rollout, attempt: { rolloutId, attemptId, attemptNumber: 1, status: 'running', workerId: 'test', ...times } };
}

function outlineOf(spans: readonly SpanInput[], parent: string | undefined, indent: string): string[] {
  return spans
    .filter((span) => span.parentSpanId === parent)
    .flatMap((span) => [`${indent}${lineOf(span)}`, ...outlineOf(spans, span.spanId, `${indent}  `)]);
}

function lineOf({ kind, name, attributes, status }: SpanInput): string {
  const read = (attribute: string): string => String(attributes[attribute] ?? '-');
  const text =
    kind === 'model_call'
      ? read(attributeNames.responseId)
      : kind === 'tool_call'
        ? `${name} ${read(attributeNames.toolArguments)} → ${read(attributeNames.toolResult)}`
        : kind === 'message'
          ? read(attributeNames.messageBody)
          : name;
  return `${kind} ${text}${status.code === 'error' ? ' ! error' : ''}`;
}
