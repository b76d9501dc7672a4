import { expect, it } from 'vitest';
import type { Claim } from '@agent-lightning/core';
import { MemoryStore } from './memory-store.ts';

it('finds more children of one span than a list of arguments may have', async () => {
  const store = new MemoryStore();
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  const [claim] = (await store.claim({ workerId: 'w' })) as [Claim];
  const span = (number: number, parent?: number) => ({
    spanId: idOf(number),
    traceId: 'a'.repeat(32),
    kind: 'operation' as const,
    name: 'step',
    status: { code: 'ok' as const },
    startTimeMs: 1,
    endTimeMs: 2,
    attributes: {},
    ...(parent === undefined ? {} : { parentSpanId: idOf(parent) }),
  });
  await store.appendSpans(claim.lease, [span(1), span(2, 1)]);
  const children = Array.from({ length: 200_000 }, (_, index) => span(3 + index, 2));
  await store.appendSpans(claim.lease, children.slice(0, 100_000));
  await store.appendSpans(claim.lease, children.slice(100_000));
  expect(await store.querySpans({ rolloutIds: ['a'], under: idOf(1) })).toHaveLength(200_001);
  await store.close();
});

function idOf(number: number): string {
  return number.toString(16).padStart(16, '0');
}
