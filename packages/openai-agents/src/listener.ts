import { AdapterError, currentRollout, FrameworkRuns } from '@agent-lightning/core';
import {
  getCurrentSpan,
  getCurrentTrace,
  getGlobalTraceProvider,
  NoopSpan,
  NoopTrace,
  Span,
  Trace,
  type SpanData,
  type TracingProcessor,
} from '@openai/agents';
import { describeEnd, describeSpan, type SpanDetail } from './spans.ts';

/** The SDK's spans inside rollouts, by their ids. */
export const runs: FrameworkRuns<SpanDetail> = FrameworkRuns.of('openai-agents');

/** An agent that nobody wrapped, and that no wrapped agent calls: it is traced, and keeps its model. */
export const noAgent: RegExp = /(?!)/;

const nothing = (): Promise<void> => Promise.resolve();

/** Turns the SDK's spans into the rollout's. */
const processor: TracingProcessor = {
  onTraceStart: nothing,
  onTraceEnd: nothing,
  shutdown: nothing,
  forceFlush: nothing,
  onSpanStart(span: Span<SpanData>): Promise<void> {
    const id = span.spanId;
    const parentId = span.parentId ?? undefined;
    runs.begin({
      id,
      parentId,
      describe: (parent) => describeSpan(span.spanData, parentId, parent?.detail),
    });
    const run = runs.get(id);
    if (
      run !== undefined &&
      run.agent.agentMatch === undefined &&
      (parentId === undefined || runs.get(parentId) === undefined)
    )
      runs.refine(id, noAgent);
    return nothing();
  },
  onSpanEnd(span: Span<SpanData>): Promise<void> {
    runs.end(span.spanId, describeEnd(span));
    return nothing();
  },
};

type Provider = ReturnType<typeof getGlobalTraceProvider> & { [installedKey]?: boolean };
const installedKey: unique symbol = Symbol.for('agentlightning.openai-agents.v1');

/**
 * Has the SDK's spans inside rollouts reported here, once per process: whatever the environment says of tracing, and to no exporter, so
 * that training sends nothing to OpenAI. Outside a rollout, tracing stays as it was set up.
 * @throws {AdapterError} `adapter-unsupported` for an SDK without a trace provider
 */
export function listenInRollouts(): void {
  const provider: Provider = getGlobalTraceProvider();
  if (provider[installedKey] === true) return;
  if (typeof provider.createTrace !== 'function' || typeof provider.createSpan !== 'function') {
    throw new AdapterError('this version of @openai/agents has another trace provider; use @openai/agents ^0.20.0', {
      code: 'adapter-unsupported',
    });
  }
  provider[installedKey] = true;
  const createTrace = provider.createTrace.bind(provider);
  const createSpan = provider.createSpan.bind(provider);
  provider.createTrace = (options) => {
    if (currentRollout() === undefined) return createTrace(options);
    return new Trace({ ...options, traceId: options.traceId ?? provider.generateTraceId() }, processor);
  };
  provider.createSpan = (options, given) => {
    const parent = given ?? getCurrentSpan() ?? getCurrentTrace();
    if (currentRollout() === undefined || parent === null || options.disabled === true)
      return createSpan(options, given);
    const place = placeUnder(parent, provider.generateTraceId.bind(provider));
    return new Span({ ...options, ...place, spanId: options.spanId ?? provider.generateSpanId() }, processor);
  };
}

/** The trace and the parent of a span; an agent that turned its tracing off is traced in a rollout all the same. */
function placeUnder(
  parent: Span<SpanData> | Trace,
  newTraceId: () => string,
): { readonly traceId: string; readonly parentId?: string } {
  if (parent instanceof NoopSpan || parent instanceof NoopTrace) return { traceId: newTraceId() };
  return parent instanceof Trace ? { traceId: parent.traceId } : { traceId: parent.traceId, parentId: parent.spanId };
}
