import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import type { CallTrace, ModelCall } from './model-calls.ts';
import { ancestorsOf, type TraceNode } from './trace-tree.ts';
import type { StepSignal } from './transition.ts';

/** Collects the signals of each call: tool outcomes, exceptions and parse failures that followed it, and its own length stop. */
export function stepSignals(trace: CallTrace): ReadonlyMap<ModelCall, readonly StepSignal[]> {
  const signals = new Map<ModelCall, StepSignal[]>(trace.calls.map((call) => [call, lengthStop(call)]));
  const askedBy = callsByToolCallId(trace.calls);
  const troubled = troubledNodes(trace);
  const errors = new Map<ModelCall, Set<string>>();
  for (const node of trace.tree.nodes.values()) {
    const signal = signalOf(node, troubled);
    if (signal === undefined) continue;
    const asked = askedBy.get(String(node.span!.attributes[attributeNames.toolCallId] ?? ''));
    const call = asked ?? causingCall(node, trace);
    if (call === undefined || isErrorAgain(node.span!, call, errors)) continue;
    signals.get(call)!.push(signal);
  }
  return signals;
}

/** Tells whether the call was charged with this error before, as when an operation failed of it and the agent then emitted it. */
function isErrorAgain(span: Span, call: ModelCall, errors: Map<ModelCall, Set<string>>): boolean {
  if (!isTrouble(span)) return false;
  const type = span.attributes[attributeNames.exceptionType] ?? span.attributes[attributeNames.errorType];
  const message = span.attributes[attributeNames.exceptionMessage] ?? span.status.message;
  if (type === undefined || message === undefined) return false;
  const error = JSON.stringify([type, message]);
  const known = errors.get(call) ?? new Set<string>();
  const isKnown = known.has(error);
  errors.set(call, known.add(error));
  return isKnown && span.kind !== 'tool_call';
}

/**
 * Finds the call that a span followed: the model call that the span is below, or else the last call before it by sequence id inside
 * the nearest ancestor that has one. So what a sub-agent did is charged to that sub-agent's calls first.
 */
export function causingCall(node: TraceNode, trace: CallTrace): ModelCall | undefined {
  const before = trace.calls.filter((call) => call.order < node.span!.sequenceId && !call.replaced);
  for (const ancestor of ancestorsOf(node)) {
    const around = ancestor.span === undefined ? undefined : trace.callOf.get(ancestor.span.spanId);
    if (around !== undefined) return around;
    const inside = before.filter((call) => isInside(call, ancestor, trace));
    if (inside.length > 0) return inside.reduce((last, call) => (call.order > last.order ? call : last));
  }
  return undefined;
}

/** Tells whether the call's span is somewhere below `node`. */
export function isInside(call: ModelCall, node: TraceNode, trace: CallTrace): boolean {
  for (const ancestor of ancestorsOf(trace.tree.nodes.get(call.span.spanId)!)) if (ancestor === node) return true;
  return false;
}

function lengthStop(call: ModelCall): StepSignal[] {
  const reasons = call.span.attributes[attributeNames.finishReasons];
  const stopped = reasons === 'length' || (Array.isArray(reasons) && reasons.some((reason) => reason === 'length'));
  return stopped ? [{ type: 'length_stop', name: call.agentNames[0] ?? call.span.name, spanId: call.span.spanId }] : [];
}

/** Returns the signal of a span: every tool call gives one; of other errors only the innermost does, unless it already made its tool fail. */
function signalOf(node: TraceNode, troubled: ReadonlySet<TraceNode>): StepSignal | undefined {
  const span = node.span!;
  if (span.kind === 'tool_call') return toolSignal(span);
  if (span.kind === 'model_call' || !isTrouble(span) || node.children.some((child) => troubled.has(child)))
    return undefined;
  for (const ancestor of ancestorsOf(node)) {
    if (ancestor.span?.kind === 'tool_call' && isTrouble(ancestor.span)) return undefined;
  }
  const name = nameOfTrouble(span);
  return { type: isParseFailure(span, name) ? 'parse_failure' : 'exception', name, spanId: span.spanId };
}

/** Returns the signal of a tool call; none for an unset status, since an interrupted tool neither worked nor failed. */
function toolSignal(span: Span): StepSignal | undefined {
  if (span.status.code === 'unset') return undefined;
  const name = span.attributes[attributeNames.toolName];
  return {
    type: span.status.code === 'error' ? 'tool_error' : 'tool_ok',
    name: typeof name === 'string' ? name : span.name,
    spanId: span.spanId,
  };
}

/** Finds the nodes that failed or have a failed node below them. A failed model call counts: what it broke above it is not the agent's doing. */
function troubledNodes(trace: CallTrace): ReadonlySet<TraceNode> {
  const troubled = new Set<TraceNode>();
  for (const node of trace.tree.nodes.values()) {
    if (!isTrouble(node.span!)) continue;
    for (const at of [node, ...ancestorsOf(node)]) troubled.add(at);
  }
  return troubled;
}

function isTrouble(span: Span): boolean {
  return span.kind === 'exception' || (span.status.code === 'error' && span.kind !== 'reward');
}

function nameOfTrouble(span: Span): string {
  const name =
    span.attributes[attributeNames.exceptionType] ??
    span.attributes[attributeNames.errorType] ??
    span.attributes[attributeNames.operationLabel];
  return typeof name === 'string' ? name : span.name;
}

/** Matches the names of parse errors of the frameworks in use: OutputParserException, SyntaxError of JSON.parse, ZodError, JSONParseError, an operation named parse…. */
const parserNames = /(?:^|[^A-Za-z])pars(?:e|ing)|Pars(?:e|ing)|SyntaxError|ZodError|TypeValidation/;

function isParseFailure(span: Span, name: string): boolean {
  return (
    parserNames.test(name) ||
    (span.kind === 'operation' && parserNames.test(String(span.attributes[attributeNames.operationLabel] ?? span.name)))
  );
}

/** Maps each tool-call id to the call whose answer asked for it. */
function callsByToolCallId(calls: readonly ModelCall[]): ReadonlyMap<string, ModelCall> {
  const askedBy = new Map<string, ModelCall>();
  for (const call of calls) {
    for (const id of toolCallIds(call.span.attributes[attributeNames.outputMessages]))
      if (!askedBy.has(id)) askedBy.set(id, call);
  }
  return askedBy;
}

function toolCallIds(outputMessages: unknown): readonly string[] {
  if (typeof outputMessages !== 'string' || !outputMessages.includes('tool_calls')) return [];
  try {
    const messages = JSON.parse(outputMessages) as unknown;
    const asked = Array.isArray(messages)
      ? messages.flatMap((message: { tool_calls?: unknown } | null) => message?.tool_calls ?? [])
      : [];
    return asked.flatMap((toolCall: { id?: unknown } | null) =>
      typeof toolCall?.id === 'string' && toolCall.id !== '' ? [toolCall.id] : [],
    );
  } catch {
    return []; // Not JSON: the signal is attributed by place instead.
  }
}
