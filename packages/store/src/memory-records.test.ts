import { expect, it } from 'vitest';
import { MemoryRecords } from './memory-records.ts';
import type { RolloutRecord } from './records.ts';
import { resolveEnqueue } from './request-checks.ts';
import { endQueued, newRollout } from './rollout-rules.ts';

it('looks at no more ended rollouts than it deletes in one write', () => {
  const records = new MemoryRecords();
  let reads = 0;
  const endedAt = (id: string, nowMs: number): RolloutRecord => {
    const queued = newRollout(resolveEnqueue({ input: 1 }, 0), id, undefined, 0);
    const { rollout, ...rest } = endQueued(queued, 'cancelled', { code: 'x', message: 'y' }, nowMs);
    return {
      ...rest,
      get rollout() {
        reads += 1;
        return rollout;
      },
    };
  };
  records.insertRollouts(Array.from({ length: 100 }, (_, index) => endedAt(`r${index}`, index)));
  reads = 0;
  expect(records.deleteEnded(50, 20)).toBe(20);
  expect(reads).toBe(20);
  expect([records.deleteEnded(50, 20), records.deleteEnded(50, 20), records.deleteEnded(50, 20)]).toEqual([20, 11, 0]);
  expect(records.readRollouts(['r50', 'r51']).map(({ rollout }) => rollout.rolloutId)).toEqual(['r51']);
});

it('looks once at each span id that a query names, however many spans there are', () => {
  const records = new MemoryRecords();
  const rollout = newRollout(resolveEnqueue({ input: 1 }, 0), 'a', undefined, 0);
  records.insertRollouts([rollout]);
  const id = (index: number): string => index.toString(16).padStart(16, '0');
  const spans = Array.from({ length: 100 }, (_, index) => ({
    rolloutId: 'a',
    spanId: id(index),
    sequenceId: index + 1,
  }));
  records.insertSpans(spans as never);
  let reads = 0;
  const spanIds = new Proxy(
    Array.from({ length: 50 }, (_, index) => id(index)),
    {
      get(target, name, receiver) {
        if (typeof name === 'string' && /^\d+$/.test(name)) reads += 1;
        return Reflect.get(target, name, receiver);
      },
    },
  );
  expect(records.querySpans({ rolloutIds: ['a'], spanIds })).toHaveLength(50);
  expect(reads).toBe(50);
});
