import { MemoryStore, type SpanKind } from '@agent-lightning/store';
import { runInRollout, TraceRecorder, type RolloutScope } from '../src/index.ts';
import type { LlmEndpoint, Span } from '@agent-lightning/core';

/** A claimed rollout on a real store. */
export interface TestRollout {
  readonly scope: RolloutScope;
  run<Result>(work: () => Result): Result;
  abort(reason?: unknown): void;
  /** What was traced, as the store returns it. */
  spans(kind?: SpanKind): Promise<readonly Span[]>;
}

export async function startRollout(llm?: Pick<LlmEndpoint, 'baseUrl'>): Promise<TestRollout> {
  const store = new MemoryStore();
  await store.enqueue([{ input: null }]);
  const [claim] = await store.claim({ workerId: 'test' });
  if (claim === undefined) throw new Error('nothing to claim');
  const controller = new AbortController();
  const scope: RolloutScope = {
    ...claim,
    resources: {},
    recorder: new TraceRecorder({ store, lease: claim.lease }),
    signal: controller.signal,
    ...(llm && { llm: { baseUrl: llm.baseUrl, apiKey: 'attempt-key', model: 'policy', sampling: {} } }),
  };
  return {
    scope,
    run: (work) => runInRollout(scope, work),
    abort: (reason) => controller.abort(reason),
    async spans(kind) {
      await scope.recorder.flush();
      const spans = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId] });
      return kind === undefined ? spans : spans.filter((span) => span.kind === kind);
    },
  };
}
