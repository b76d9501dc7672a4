import { check, attributeNames, type SpanInput } from '@agent-lightning/core';

/** Options that make the traces of different frameworks comparable. */
export interface OutlineOptions {
  /** The agents that the scenario names. */
  readonly agents: readonly string[];
  /** Agent spans of the framework's own, which are lifted out: their children move up. */
  readonly layers: readonly string[];
}

/**
 * Writes the parts of a trace that training reads, one line for each span, children indented: `agent writer`, `model_call policy/writer/1`,
 * `tool_call lookup {"key":"k1"} → found`, `message …`, each with ` ! error` when it failed.
 *
 * Children are in the order in which they began; tool calls of one reply, which begin in any order, are sorted by their arguments.
 */
export function outlineTrace(spans: readonly SpanInput[], options: OutlineOptions): string[] {
  check.knownOptions('outlineTrace', options, ['agents', 'layers']);
  const children = Map.groupBy(spans, (span) => parentIn(spans, span));
  const linesOf = (parent: string | undefined, depth: number): string[] =>
    orderSiblings(children.get(parent) ?? []).flatMap((span) => {
      if (span.kind === 'agent' && !options.agents.includes(span.name) && options.layers.includes(span.name))
        return linesOf(span.spanId, depth);
      return [`${'  '.repeat(depth)}${lineOf(span)}`, ...linesOf(span.spanId, depth + 1)];
    });
  return [...linesOf(undefined, 0), ...linesOf(orphan, 0)];
}

/** Returns the nearest of the scenario's agents around a span, or the span itself when it is one. */
export function agentAround(
  spans: readonly SpanInput[],
  spanId: string | undefined,
  agents: readonly string[],
): string | undefined {
  const span = spans.find((candidate) => candidate.spanId === spanId);
  if (span === undefined) return undefined;
  return span.kind === 'agent' && agents.includes(span.name)
    ? span.name
    : agentAround(spans, span.parentSpanId, agents);
}

const orphan = 'a parent that is not in the trace';

/** Returns a span's parent. Spans whose parent never ended are put at the end, where no golden trace has them. */
function parentIn(spans: readonly SpanInput[], { parentSpanId }: SpanInput): string | undefined {
  return parentSpanId === undefined || spans.some(({ spanId }) => spanId === parentSpanId) ? parentSpanId : orphan;
}

function orderSiblings(siblings: readonly SpanInput[]): SpanInput[] {
  const ordered = siblings.toSorted((a, b) => a.startTimeMs - b.startTimeMs);
  const runs = ordered.map((span, index) => ({ span, run: runOf(ordered, index) }));
  return runs
    .toSorted((a, b) => a.run - b.run || (a.span.kind === 'tool_call' ? compare(lineOf(a.span), lineOf(b.span)) : 0))
    .map(({ span }) => span);
}

/** Returns the index at which the unbroken run of tool calls around this one begins; its own index for any other span. */
function runOf(ordered: readonly SpanInput[], index: number): number {
  let first = index;
  while (ordered[first]?.kind === 'tool_call' && ordered[first - 1]?.kind === 'tool_call') first -= 1;
  return first;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function lineOf(span: SpanInput): string {
  const isFailed = span.status.code === 'error';
  const parts = [span.kind, ...partsOf(span, isFailed), ...(isFailed ? ['! error'] : [])];
  return parts.filter((part) => part !== '').join(' ');
}

function partsOf(span: SpanInput, isFailed: boolean): string[] {
  const read = (name: keyof typeof attributeNames): string => String(span.attributes[attributeNames[name]] ?? '');
  switch (span.kind) {
    case 'model_call':
      return [read('responseId')];
    case 'tool_call':
      // What a model is told of a failed tool is each framework's own.
      return [read('toolName'), canonicalJson(read('toolArguments')), ...(isFailed ? [] : [`→ ${read('toolResult')}`])];
    case 'message':
      return [read('messageBody')];
    default:
      return [span.name];
  }
}

/** Returns the same JSON without the writer's blanks. */
function canonicalJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return `[not JSON: ${text}]`;
  }
}
