import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TraceBuilder } from '../../test/__fixtures__/spans.ts';
import type { Span } from '../vocabulary/span.ts';
import { ancestorsOf, buildTraceTree, type TraceNode } from './trace-tree.ts';

function spansOf(parents: Record<string, string | undefined>): Span[] {
  const trace = new TraceBuilder();
  for (const [spanId, parentSpanId] of Object.entries(parents))
    trace.add(spanId, 'agent', parentSpanId === undefined ? {} : { parentSpanId });
  return trace.spans;
}

/** The tree as nested lists; `*` is a virtual node. */
function shape(node: TraceNode): unknown {
  return [node.span?.spanId ?? '*', ...node.children.map(shape)];
}

describe('buildTraceTree', () => {
  it('hangs children below their parents, in order of sequence id', () => {
    const spans = spansOf({ a: undefined, b: 'a', c: 'b', d: 'a' });
    expect(shape(buildTraceTree(spans.toReversed()).root)).toEqual(['*', ['a', ['b', ['c']], ['d']]]);
  });

  it('puts one virtual root over several', () => {
    expect(shape(buildTraceTree(spansOf({ a: undefined, b: undefined })).root)).toEqual(['*', ['a'], ['b']]);
  });

  it('keeps the children of a parent that was never written together', () => {
    expect(shape(buildTraceTree(spansOf({ a: 'lost', b: undefined, c: 'lost' })).root)).toEqual([
      '*',
      ['*', ['a'], ['c']],
      ['b'],
    ]);
  });

  it('cuts a circle of parents', () => {
    expect(shape(buildTraceTree(spansOf({ a: 'b', b: 'a', c: 'c' })).root)).toEqual(['*', ['b', ['a']], ['c']]);
  });

  it('takes the parents that it is told', () => {
    const tree = buildTraceTree(spansOf({ a: undefined, b: undefined }), (span) =>
      span.spanId === 'b' ? 'a' : span.parentSpanId,
    );
    expect(shape(tree.root)).toEqual(['*', ['a', ['b']]]);
  });

  it('is a tree of every span, whatever the parents are', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    fc.assert(
      fc.property(
        fc.dictionary(id, fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'lost'), { nil: undefined })),
        (parents) => {
          const { root, nodes } = buildTraceTree(spansOf(parents));
          expect([...nodes.keys()].toSorted()).toEqual(Object.keys(parents).toSorted());
          for (const node of nodes.values()) expect([...ancestorsOf(node)].at(-1)).toBe(root);
          expect(
            new Set(
              reached(root)
                .map(({ span }) => span?.spanId)
                .filter((spanId) => spanId !== undefined),
            ).size,
          ).toBe(nodes.size);
        },
      ),
    );
  });
});

function reached(node: TraceNode): TraceNode[] {
  return [node, ...node.children.flatMap(reached)];
}
