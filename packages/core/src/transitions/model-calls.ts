import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import type { TokenBlob } from '../vocabulary/tokens.ts';
import { agentNamesAt } from './agent-names.ts';
import { findDiscarded, whyDiscarded, type Discarded } from './discarded-calls.ts';
import { withSharedPrompts } from './shared-prompts.ts';
import { buildTraceTree, type TraceTree } from './trace-tree.ts';

/** One model call, as the gateway captured it, as the framework reported it, or both joined by their response id. */
export interface ModelCall {
  /** The gateway's span where there is one, since it holds the tokens; otherwise the framework's. */
  readonly span: Span;
  /** Absent when the gateway did not see the call. */
  readonly gateway: Span | undefined;
  readonly framework: Span | undefined;
  /** The names of the agent that called, most specific first. */
  readonly agentNames: readonly string[];
  /** The call's place among the spans that the agent's side writes: the framework's sequence id where there is one. */
  readonly order: number;
  /** True when the gateway answered and the agent went on with another answer, as after an SDK's retry. */
  readonly replaced: boolean;
  /** Says why the agent threw the answer away, as when a node that failed is run again; undefined where it did not. */
  readonly discarded: string | undefined;
}

/** The calls of one attempt with the tree that they stand in. */
export interface CallTrace {
  readonly tree: TraceTree;
  /** The calls in order of the sequence id of `span`. */
  readonly calls: readonly ModelCall[];
  /** Maps the span ids of the gateway and of the framework to their call. */
  readonly callOf: ReadonlyMap<string, ModelCall>;
}

/** Finds an attempt's model calls. A gateway span is placed below the framework span of the same call, and inherits its names. */
export function traceCalls(stored: readonly Span[]): CallTrace {
  const spans = withSharedPrompts(stored);
  const modelSpans = spans.filter((span) => span.kind === 'model_call').toSorted((a, b) => a.sequenceId - b.sequenceId);
  const captured = withoutCopies(modelSpans.filter(isGateway));
  const frameworkOf = joinToFramework(captured, modelSpans);
  const tree = buildTraceTree(
    spans.filter((span) => !isGateway(span) || frameworkOf.has(span)),
    (span) => frameworkOf.get(span)?.spanId ?? span.parentSpanId,
  );
  const joined = new Set(frameworkOf.values());
  const reportedOnly = modelSpans.filter((span) => !isGateway(span) && !joined.has(span));
  const place: Place = { tree, discarded: findDiscarded(tree) };
  const calls = [
    ...captured.map((span) => callOfSpan(place, span, frameworkOf.get(span), isReplaced(span, frameworkOf, tree))),
    ...reportedOnly.map((span) => callOfSpan(place, undefined, span, false)),
  ].toSorted((a, b) => a.span.sequenceId - b.span.sequenceId);
  return { tree, calls, callOf: bySpanId(calls) };
}

export function responseIdOf(span: Span): string | undefined {
  const id = span.attributes[attributeNames.responseId];
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function isGateway(span: Span): boolean {
  return span.kind === 'model_call' && span.attributes[attributeNames.source] === 'gateway';
}

/** Drops spans that repeat an earlier one: same response id, same choice, same tokens. */
function withoutCopies(captured: readonly Span[]): readonly Span[] {
  const seen = new Map<string, Span[]>();
  return captured.filter((span) => {
    const id = responseIdOf(span);
    if (id === undefined) return true;
    const earlier = seen.get(id) ?? [];
    if (earlier.some((other) => choiceOf(other) === choiceOf(span) && isSameTokens(other.tokens, span.tokens)))
      return false;
    seen.set(id, [...earlier, span]);
    return true;
  });
}

function choiceOf(span: Span): unknown {
  return span.attributes[attributeNames.choiceIndex] ?? 0;
}

/** Maps every captured span to the framework's span of the same call: the first with its response id, else a parent that reported none. */
function joinToFramework(captured: readonly Span[], modelSpans: readonly Span[]): ReadonlyMap<Span, Span | undefined> {
  const byResponse = new Map<string, Span>();
  const withoutResponse = new Map<string, Span>();
  for (const span of modelSpans) {
    if (isGateway(span)) continue;
    const id = responseIdOf(span);
    if (id === undefined) withoutResponse.set(span.spanId, span);
    else if (!byResponse.has(id)) byResponse.set(id, span);
  }
  return new Map(
    captured.map((span) => [
      span,
      byResponse.get(responseIdOf(span) ?? '') ?? withoutResponse.get(span.parentSpanId ?? ''),
    ]),
  );
}

/**
 * Tells whether the agent went on with another response. An SDK that retries makes several requests for one answer, and the framework reports only the answer that it used. So a
 * response was replaced when its reported call failed, or when another response to the same prompt is reported: by the
 * call that it is below, or later below the same parent. Where no framework reports, every call stays.
 */
function isReplaced(span: Span, frameworkOf: ReadonlyMap<Span, Span | undefined>, tree: TraceTree): boolean {
  const framework = frameworkOf.get(span);
  if (framework !== undefined) return responseIdOf(framework) === undefined && framework.status.code === 'error';
  const parent = tree.nodes.get(span.parentSpanId ?? '')?.span;
  const used = [...frameworkOf].filter(
    ([other, itsFramework]) =>
      itsFramework !== undefined &&
      (itsFramework === parent || (other.sequenceId > span.sequenceId && other.parentSpanId === span.parentSpanId)),
  );
  const isUnusedAnswer =
    parent?.kind === 'model_call' && !isGateway(parent) && !used.some(([, itsFramework]) => itsFramework === parent);
  return isUnusedAnswer || used.some(([other]) => isSamePrompt(other.tokens, span.tokens));
}

/** What the calls of an attempt stand in. */
interface Place {
  readonly tree: TraceTree;
  readonly discarded: Discarded;
}

function callOfSpan(
  { tree, discarded }: Place,
  gateway: Span | undefined,
  framework: Span | undefined,
  replaced: boolean,
): ModelCall {
  const span = (gateway ?? framework)!;
  const node = tree.nodes.get(span.spanId)!;
  return {
    span,
    gateway,
    framework,
    agentNames: agentNamesAt(node),
    order: (framework ?? span).sequenceId,
    replaced,
    discarded: whyDiscarded(node, discarded),
  };
}

function bySpanId(calls: readonly ModelCall[]): ReadonlyMap<string, ModelCall> {
  const callOf = new Map<string, ModelCall>();
  for (const call of calls) {
    if (call.gateway !== undefined) callOf.set(call.gateway.spanId, call);
    if (call.framework !== undefined && !callOf.has(call.framework.spanId)) callOf.set(call.framework.spanId, call);
  }
  return callOf;
}

function isSameTokens(a: TokenBlob | undefined, b: TokenBlob | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return isSameIds(a.prompt, b.prompt) && isSameIds(a.response, b.response);
}

function isSamePrompt(a: TokenBlob | undefined, b: TokenBlob | undefined): boolean {
  return a !== undefined && b !== undefined && isSameIds(a.prompt, b.prompt);
}

function isSameIds(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
