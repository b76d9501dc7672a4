import { AsyncLocalStorage } from 'node:async_hooks';
import { AdapterError } from '@agent-lightning/core';
import { currentRollout, FrameworkRuns, isLive, processWide, type AgentOptions } from '@agent-lightning/tracing';
import {
  getCurrentSpan,
  getCurrentTrace,
  getGlobalTraceProvider,
  NoopTrace,
  Span,
  Trace,
  type SpanData,
  type TracingProcessor,
} from '@openai/agents';
import { describeEnd, describeSpan, type SpanDetail } from './spans.ts';

/** The SDK's spans inside rollouts, by their ids. */
export const runs: FrameworkRuns<SpanDetail> = FrameworkRuns.of('openai-agents');

/** Holds the wrappers that select the agents of a run of the SDK's `Runner`, until the run's spans tell them. */
export interface RunSelection {
  /** The wrappers of the agents that have begun in the run, or that it goes on with, innermost first. */
  wrappers: readonly AgentOptions[];
  hasBegun: boolean;
}

/** The selection of the `Runner`'s run that the code is in. */
export const selections: AsyncLocalStorage<RunSelection> = processWide(
  'agentlightning.openai-agents.selections.v1',
  () => new AsyncLocalStorage<RunSelection>(),
);

function beginRun({ spanId: id, parentId: parent, spanData }: Span<SpanData>): void {
  const parentId = parent ?? undefined;
  runs.begin({ id, parentId, describe: (above) => describeSpan(spanData, parentId, above?.detail) });
  const run = runs.get(id);
  if (run === undefined) return;
  const selection = selections.getStore();
  if (selection === undefined || spanData.type === 'guardrail') return;
  const isRoot = parentId === undefined || runs.get(parentId) === undefined;
  if (isRoot || !selection.hasBegun) runs.refine(id, selection.wrappers);
  if (spanData.type === 'task' || spanData.type === 'agent') selection.hasBegun = true;
}

const endRun = (span: Span<SpanData>): void => runs.end(span.spanId, () => describeEnd(span));

const nothing = (): Promise<void> => Promise.resolve();

/** Turns the SDK's spans into the rollout's. */
const processor: TracingProcessor = {
  onTraceStart: nothing,
  onTraceEnd: nothing,
  shutdown: nothing,
  forceFlush: nothing,
  onSpanStart: (span) => (beginRun(span), nothing()),
  onSpanEnd: (span) => (endRun(span), nothing()),
};

type Provider = ReturnType<typeof getGlobalTraceProvider> & { [installedKey]?: boolean };
const installedKey: unique symbol = Symbol.for('agentlightning.openai-agents.v1');

/**
 * Has the SDK's spans inside rollouts reported here, once per process: whatever the environment says of tracing. In a rollout of a
 * trainer or runner they go to no exporter, so that training sends nothing to OpenAI. In live traffic, and outside a rollout, the
 * app's own tracing stays as it was set up.
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
    const scope = currentRollout();
    const own = scope === undefined || isLive(scope) ? createTrace(options) : undefined;
    if (own !== undefined && (scope === undefined || own.traceId !== noopId)) return own;
    return hide(new Trace({ ...options, traceId: options.traceId ?? provider.generateTraceId() }, processor));
  };
  provider.createSpan = (options, given) => {
    const scope = currentRollout();
    const parent = given ?? getCurrentSpan() ?? getCurrentTrace();
    if (scope === undefined || parent === null || options.disabled === true) return createSpan(options, given);
    const own = isLive(scope) && !isHidden(parent) ? createSpan(options, given) : undefined;
    if (own !== undefined && own.traceId !== noopId) return watch(own);
    const place = placeUnder(parent, provider.generateTraceId.bind(provider));
    return hide(new Span({ ...options, ...place, spanId: options.spanId ?? provider.generateSpanId() }, processor));
  };
}

/** The trace id of everything that is created while tracing is off. */
const noopId: string = new NoopTrace().traceId;

/** Finds the trace and the parent of a span; an agent that turned its tracing off is traced in a rollout all the same. */
function placeUnder(
  parent: Span<SpanData> | Trace,
  newTraceId: () => string,
): { readonly traceId: string; readonly parentId?: string } {
  if (parent.traceId === noopId) return { traceId: newTraceId() };
  return { traceId: parent.traceId, ...('spanId' in parent && { parentId: parent.spanId }) };
}

/** Reports a span here too, which goes to the app's processors. */
function watch<Data extends SpanData>(span: Span<Data>): Span<Data> {
  const [start, end] = [span.start.bind(span), span.end.bind(span)];
  return Object.defineProperties(span, {
    start: { value: () => (beginRun(span), start()) },
    end: { value: () => (endRun(span), end()) },
  });
}

const hiddenKey: unique symbol = Symbol.for('agentlightning.openai-agents.hidden.v1');

/** Marks what goes to no processor of the app, so that nothing below it does. */
function hide<Hidden extends Span<SpanData> | Trace>(hidden: Hidden): Hidden {
  const clone = hidden.clone.bind(hidden) as () => Hidden;
  return Object.defineProperties(hidden, { [hiddenKey]: { value: true }, clone: { value: () => hide(clone()) } });
}

function isHidden(parent: Span<SpanData> | Trace): boolean {
  return (parent as { readonly [hiddenKey]?: boolean })[hiddenKey] === true;
}
