import { attributeNames, type Span } from '@agent-lightning/core';

/**
 * Returns the spans, in which a model call that another rollout's agent made is marked as one that must not be trained on, with the reason. A
 * queue or a limiter that rollouts share may start a call of one in the async context of another: the gateway has it in the
 * one, and the framework reports its answer in the other. An answer that both report, such as one from a cache, is no such call.
 */
export function markStrayedCalls(spans: readonly Span[]): readonly Span[] {
  const reporters = reportersOf(spans);
  return spans.map((span) => {
    const reporter = isGateway(span) ? reporters.get(responseIdOf(span) ?? '') : undefined;
    if (reporter === undefined || reporter.has(span.rolloutId)) return span;
    return { ...span, attributes: { ...span.attributes, [attributeNames.untrainable]: reasonFor([...reporter]) } };
  });
}

function reasonFor(rolloutIds: readonly string[]): string {
  const which = rolloutIds.length === 1 ? `rollout ${rolloutIds[0]}` : `rollouts ${rolloutIds.join(' and ')}`;
  return `the agent of ${which} made this call: a queue or a limiter that rollouts share started it here; hand it bindToRollout(…) of @agent-lightning/tracing`;
}

/** Returns the rollouts in which a framework reports each response. */
function reportersOf(spans: readonly Span[]): ReadonlyMap<string, ReadonlySet<string>> {
  const reporters = new Map<string, Set<string>>();
  for (const span of spans) {
    const id = responseIdOf(span);
    if (id === undefined || isGateway(span)) continue;
    reporters.set(id, (reporters.get(id) ?? new Set()).add(span.rolloutId));
  }
  return reporters;
}

function isGateway({ attributes }: Span): boolean {
  return attributes[attributeNames.source] === 'gateway';
}

function responseIdOf({ kind, attributes }: Span): string | undefined {
  const id = kind === 'model_call' ? attributes[attributeNames.responseId] : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}
