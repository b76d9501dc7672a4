import type { AnyNode } from 'acorn';

/** Calls `visit` with a node and every node below it, each with the node above it; what `visit` returns false for is not entered. */
export function walkNodes(
  node: AnyNode,
  visit: (node: AnyNode, parent: AnyNode | undefined) => boolean | void,
  parent?: AnyNode,
): void {
  if (visit(node, parent) === false) return;
  for (const value of Object.values(node) as unknown[]) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof (child as { readonly type?: unknown } | null)?.type === 'string')
        walkNodes(child as AnyNode, visit, node);
    }
  }
}
