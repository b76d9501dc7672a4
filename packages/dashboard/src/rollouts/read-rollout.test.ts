import type { Span } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { toSpanRows } from './read-rollout.ts';

function span(spanId: string, startTimeMs: number, parentSpanId?: string): Span {
  return {
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    traceId: 't',
    kind: 'operation',
    name: spanId,
    status: { code: 'ok' },
    startTimeMs,
    endTimeMs: startTimeMs + 5,
    attributes: {},
    rolloutId: 'r',
    attemptId: 'a',
    sequenceId: startTimeMs,
  };
}

it('puts each span below its parent once, by its beginning, also where the parent is not there or parents form a ring', () => {
  const rows = toSpanRows([
    span('late', 30),
    span('child', 12, 'root'),
    span('grandchild', 13, 'child'),
    span('root', 10),
    span('orphan', 20, 'gone'),
    span('ring one', 40, 'ring two'),
    span('ring two', 41, 'ring one'),
  ]);
  expect(rows.map(({ id, depth, startMs }) => [id, depth, startMs])).toEqual([
    ['root', 0, 0],
    ['child', 1, 2],
    ['grandchild', 2, 3],
    ['orphan', 0, 10],
    ['late', 0, 20],
    ['ring one', 0, 30],
    ['ring two', 0, 31],
  ]);
});
