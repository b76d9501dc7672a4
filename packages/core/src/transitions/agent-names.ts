import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import { ancestorsOf, type TraceNode } from './trace-tree.ts';

/** Returns the names that a span itself gives to whoever acts in it, most specific first; empty for a span that names nobody. */
export function ownAgentNames(span: Span): readonly string[] {
  const listed = span.attributes[attributeNames.agentNames];
  const names = Array.isArray(listed) ? listed.filter((name) => typeof name === 'string') : [];
  const single = span.attributes[attributeNames.agentName];
  if (typeof single === 'string' && !names.includes(single)) names.push(single);
  return names.filter((name) => name !== '');
}

/** Returns the names that hold at a node: its own, or else those of the nearest ancestor that has some. */
export function agentNamesAt(node: TraceNode): readonly string[] {
  for (const at of [node, ...ancestorsOf(node)]) {
    const names = at.span === undefined ? [] : ownAgentNames(at.span);
    if (names.length > 0) return names;
  }
  return [];
}
