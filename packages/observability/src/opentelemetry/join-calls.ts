import { attributeNames, type Span } from '@agent-lightning/core';

/** A span of an attempt, and the place where it is shown. */
export interface ShownSpan {
  readonly span: Span;
  /** The span id of the shown parent; undefined below the rollout itself. */
  readonly parentId: string | undefined;
}

/**
 * Returns the spans of an attempt with each model call once: a call that both the gateway and the framework saw is the gateway's span, which knows
 * tokens and version, in the place of the framework's, with the names that only that one has.
 */
export function joinCalls(spans: readonly Span[]): readonly ShownSpan[] {
  const joins = findJoins(spans);
  const replaced = new Map<string, string>();
  for (const [gateway, framework] of joins)
    if (!replaced.has(framework.spanId)) replaced.set(framework.spanId, gateway.spanId);
  const toShown = (id: string | undefined): string | undefined => (id === undefined ? id : (replaced.get(id) ?? id));
  return spans
    .filter(({ spanId }) => !replaced.has(spanId))
    .map((span) => {
      const framework = joins.get(span);
      if (framework === undefined) return { span, parentId: toShown(span.parentSpanId) };
      const attributes = { ...framework.attributes, ...span.attributes };
      return { span: { ...span, attributes }, parentId: toShown(framework.parentSpanId) };
    });
}

/** Maps a gateway's span to the framework's of the same call: by response id, or else the one that it is directly below and that has none. */
function findJoins(spans: readonly Span[]): ReadonlyMap<Span, Span> {
  const calls = spans.filter(({ kind }) => kind === 'model_call');
  const framework = calls.filter((span) => !isGateway(span));
  const byResponse = new Map(framework.flatMap((span) => responseIdsOf(span).map((id) => [id, span] as const)));
  const withoutResponse = new Map(
    framework.filter((span) => responseIdsOf(span).length === 0).map((span) => [span.spanId, span] as const),
  );
  return new Map(
    calls.filter(isGateway).flatMap((span) => {
      const [id = ''] = responseIdsOf(span);
      const found = byResponse.get(id) ?? withoutResponse.get(span.parentSpanId ?? '');
      return found === undefined ? [] : [[span, found] as const];
    }),
  );
}

function isGateway(span: Span): boolean {
  return span.attributes[attributeNames.source] === 'gateway';
}

function responseIdsOf(span: Span): readonly string[] {
  const id = span.attributes[attributeNames.responseId];
  return typeof id === 'string' && id !== '' ? [id] : [];
}
