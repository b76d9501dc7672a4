import type { AnyNode } from 'acorn';

/** Calls `visit` with a node and every node below it, each with the node above it. */
export function walkNodes(
  node: AnyNode,
  visit: (node: AnyNode, parent: AnyNode | undefined) => void,
  parent?: AnyNode,
): void {
  visit(node, parent);
  for (const value of Object.values(node) as unknown[]) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof (child as { readonly type?: unknown } | null)?.type === 'string')
        walkNodes(child as AnyNode, visit, node);
    }
  }
}
