import type { Span, SpanQuery } from '@agent-lightning/core';
import type { RowReader } from './rows.ts';

/** Spans below one span, found by the parents of their attempts' spans; read without tokens first, so that only what is asked for is read whole. */
export async function querySubtree(rows: RowReader, query: SpanQuery, under: string): Promise<readonly Span[]> {
  const { rolloutIds, attemptId } = query;
  const all = await rows.querySpans({ rolloutIds, ...(attemptId === undefined ? {} : { attemptId }) });
  const below = findBelow(all, under);
  const { under: _under, ...filter } = query;
  return (await rows.querySpans(filter)).filter((span) => below.has(keyOf(span)));
}

function findBelow(spans: readonly Span[], under: string): ReadonlySet<string> {
  const children = new Map<string, Span[]>();
  for (const span of spans) {
    if (span.parentSpanId === undefined) continue;
    const parent = placeOf(span, span.parentSpanId);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [span]);
    else siblings.push(span);
  }
  const below = new Set<string>();
  const left = spans.filter((span) => span.parentSpanId === under);
  for (let span = left.pop(); span !== undefined; span = left.pop()) {
    // A span that was written as its own ancestor is visited once.
    if (below.has(keyOf(span))) continue;
    below.add(keyOf(span));
    for (const child of children.get(keyOf(span)) ?? []) left.push(child);
  }
  return below;
}

function keyOf(span: Span): string {
  return placeOf(span, span.spanId);
}

/** Span ids are unique within an attempt. */
function placeOf(span: Span, spanId: string): string {
  return `${span.rolloutId} ${span.attemptId} ${spanId}`;
}
