/**
 * Finds the answers that the agent threw away: a framework that runs a node again, after it failed or waited, asks its model again, and what
 * the first run answered has no part in the rollout's end.
 */
import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import { ancestorsOf, type TraceNode, type TraceTree } from './trace-tree.ts';

/** Says why the answers directly inside an execution were thrown away, by the span id of the execution. */
export type Discarded = ReadonlyMap<string, string>;

/** Finds the executions that were done again from their start, and those inside them that were done again with them. */
export function findDiscarded({ nodes }: TraceTree): Discarded {
  const executions = [...nodes.values()].filter(({ span }) => executionOf(span) !== undefined);
  const discarded = new Map<string, string>();
  for (const same of Map.groupBy(executions, ({ span }) => executionOf(span)).values())
    for (const [index, earlier] of same.entries()) {
      const again = same[index + 1];
      if (again === undefined || earlier.span!.status.code === 'ok') continue;
      for (const { span } of [earlier, ...doneAgain(earlier, again)])
        if (!discarded.has(span!.spanId)) discarded.set(span!.spanId, describe(earlier.span!));
    }
  return discarded;
}

/** Returns why the answer at a node was thrown away; undefined where it was not. */
export function whyDiscarded(node: TraceNode, discarded: Discarded): string | undefined {
  for (const { span } of [node, ...ancestorsOf(node)]) {
    const reason = discarded.get(span?.spanId ?? '');
    if (reason !== undefined || keepsItsPlace(span)) return reason;
  }
  return undefined;
}

/** Tells whether what a span executes can be done while that around it is done again. A tool, or an attempt at something, cannot. */
function keepsItsPlace(span: Span | undefined): boolean {
  return span?.kind === 'agent' && executionOf(span) !== undefined;
}

/**
 * Returns the executions inside an earlier one that were done again with it. Where it was run again in its place, all were. Where it goes
 * on in a later run, those inside it go on as well, unless they began anew too.
 */
function doneAgain(earlier: TraceNode, again: TraceNode): readonly TraceNode[] {
  const inside = executionsBelow(earlier);
  if (earlier.parent === again.parent) return inside;
  const later = executionsBelow(again);
  const goneOn = new Set(later.map(({ span }) => executionOf(span)));
  const isAnew = !inside.some(({ span }) => goneOn.has(executionOf(span)));
  const names = new Set(later.map(({ span }) => span!.name));
  return inside.filter(({ span }) => goneOn.has(executionOf(span)) || (isAnew && names.has(span!.name)));
}

function executionsBelow({ children }: TraceNode): readonly TraceNode[] {
  return children.flatMap((child) => [...(keepsItsPlace(child.span) ? [child] : []), ...executionsBelow(child)]);
}

function executionOf(span: Span | undefined): string | undefined {
  const execution = span?.attributes[attributeNames.execution];
  return typeof execution === 'string' && execution !== '' ? execution : undefined;
}

function describe({ name, kind, status }: Span): string {
  const what = kind === 'operation' ? `an ${name}` : `"${name}"`;
  const why = status.code === 'error' ? 'failed' : 'waited';
  return `the agent threw the answer away: ${what} ${why} and was run again from its start`;
}
