import type { Span } from '../vocabulary/span.ts';

/** A span in its place, or the place of a parent that was never written. */
export interface TraceNode {
  /** Undefined for a virtual node: the root over several roots, or a parent that no span has. */
  readonly span: Span | undefined;
  readonly parent: TraceNode | undefined;
  /** The children in order of sequence id; a virtual node stands where its first child would. */
  readonly children: readonly TraceNode[];
}

export interface TraceTree {
  /** The one root; it is always virtual. */
  readonly root: TraceNode;
  readonly nodes: ReadonlyMap<string, TraceNode>;
}

interface OpenNode extends TraceNode {
  parent: OpenNode | undefined;
  readonly children: OpenNode[];
}

/**
 * Builds the tree of the spans of one attempt. Spans without a parent are children of the root; spans whose parent was never written
 * are children of one virtual node that stands for it; a circle of parents is cut above its last span.
 * @param parentOf overrides a span's own parent
 */
export function buildTraceTree(
  spans: readonly Span[],
  parentOf: (span: Span) => string | undefined = (span) => span.parentSpanId,
): TraceTree {
  const ordered = spans.toSorted((a, b) => a.sequenceId - b.sequenceId);
  const root = openNode(undefined);
  const nodes = new Map(ordered.map((span) => [span.spanId, openNode(span)]));
  const missing = new Map<string, OpenNode>();
  for (const node of nodes.values()) {
    const parentId = parentOf(node.span!);
    const parent =
      parentId === undefined
        ? root
        : (nodes.get(parentId) ?? missing.get(parentId) ?? virtualNode(parentId, root, missing));
    attach(node, isBelow(parent, node) ? root : parent);
  }
  return { root, nodes };
}

/** Yields the node's ancestors, nearest first, the root last. */
export function* ancestorsOf(node: TraceNode): Generator<TraceNode> {
  for (let at = node.parent; at !== undefined; at = at.parent) yield at;
}

function openNode(span: Span | undefined): OpenNode {
  return { span, parent: undefined, children: [] };
}

function virtualNode(parentId: string, root: OpenNode, missing: Map<string, OpenNode>): OpenNode {
  const node = openNode(undefined);
  missing.set(parentId, node);
  attach(node, root);
  return node;
}

function attach(node: OpenNode, parent: OpenNode): void {
  node.parent = parent;
  parent.children.push(node);
}

/** Tells whether `node` is `ancestor` or is below it, as far as the tree is built. */
function isBelow(node: OpenNode, ancestor: OpenNode): boolean {
  for (let at: OpenNode | undefined = node; at !== undefined; at = at.parent) if (at === ancestor) return true;
  return false;
}
