import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RolloutMode } from '@agent-lightning/core';
import { MemoryClaimQueue } from './memory-claim-queue.ts';
import { resolveEnqueue } from './request-checks.ts';
import { newRollout } from './rollout-rules.ts';

const queued = fc.record({
  priority: fc.integer({ min: -2, max: 2 }),
  queue: fc.constantFrom('a', 'b'),
  mode: fc.constantFrom<RolloutMode>('train', 'val'),
  answer: fc.constantFrom('yes' as const, 'later' as const, 'stale' as const),
});

it('takes what sorting the whole queue would take, and keeps what must wait', () => {
  fc.assert(
    fc.property(fc.array(queued, { maxLength: 40 }), fc.integer({ min: 1, max: 10 }), (entries, limit) => {
      const queue = new MemoryClaimQueue();
      for (const [index, { priority, queue: name, mode }] of entries.entries()) {
        queue.add(
          newRollout(resolveEnqueue({ input: 1, priority, queue: name, mode }, 0), String(index), undefined, 0).rollout,
          index,
        );
      }
      const filter = { nowMs: 0, queues: ['a'], modes: ['train' as const], workerTags: [] };
      const fitting = entries
        .map((entry, index) => ({ ...entry, index }))
        .filter((entry) => entry.queue === 'a' && entry.mode === 'train');
      const inOrder = fitting.toSorted((left, right) => right.priority - left.priority || left.index - right.index);
      const expected = inOrder
        .filter((entry) => entry.answer === 'yes')
        .slice(0, limit)
        .map((entry) => String(entry.index));
      expect(queue.take(filter, limit, (rolloutId) => entries[Number(rolloutId)]?.answer ?? 'stale')).toEqual(expected);
      const left = inOrder
        .filter((entry) => entry.answer !== 'stale' && !expected.includes(String(entry.index)))
        .map((entry) => String(entry.index));
      expect(
        queue.take(filter, 100, (rolloutId) => (entries[Number(rolloutId)]?.answer === 'stale' ? 'stale' : 'yes')),
      ).toEqual(left);
    }),
  );
});
