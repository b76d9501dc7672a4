import type { Span, SpanQuery } from '@agent-lightning/core';
import type { RecordReader } from './records.ts';

/** Reads spans; those below one span are found by the parents of all, read without tokens first, so that only what is asked for is read whole. */
export async function querySpans(records: RecordReader, query: SpanQuery): Promise<readonly Span[]> {
  const { under, ...filter } = query;
  if (under === undefined) return records.querySpans(filter);
  const { rolloutIds, attemptId } = filter;
  const all = await records.querySpans({ rolloutIds, ...(attemptId === undefined ? {} : { attemptId }) });
  const below = findBelow(all, under);
  return (await records.querySpans(filter)).filter((span) => below.has(keyOf(span)));
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

/** Returns the key of a span in the tree. It names the attempt too, because span ids are unique within an attempt only. */
function placeOf(span: Span, spanId: string): string {
  return `${span.rolloutId} ${span.attemptId} ${spanId}`;
}
