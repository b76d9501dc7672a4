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
  const ended = Array.from({ length: 100 }, (_, index) => endedAt(`r${index}`, index));
  records.insertRollouts(ended);
  records.saveRollouts(ended);
  reads = 0;
  expect(records.deleteEnded(50, 20)).toBe(20);
  expect(reads).toBe(20);
  expect([records.deleteEnded(50, 20), records.deleteEnded(50, 20), records.deleteEnded(50, 20)]).toEqual([20, 11, 0]);
  expect(records.readRollouts(['r50', 'r51']).map(({ rollout }) => rollout.rolloutId)).toEqual(['r51']);
});

it('deletes first what ended first, also when it was enqueued last', () => {
  const records = new MemoryRecords();
  const queued = ['a', 'b', 'c'].map((id) => newRollout(resolveEnqueue({ input: 1 }, 0), id, undefined, 0));
  records.insertRollouts(queued);
  const left = (): string[] => records.readRollouts(['a', 'b', 'c']).map(({ rollout }) => rollout.rolloutId);
  for (const [index, record] of queued.toReversed().entries()) {
    const ended = endQueued(record, 'cancelled', { code: 'x', message: 'y' }, index + 1);
    records.saveRollouts([ended]);
    // A record that is saved again, as for a late reward, keeps its place.
    records.saveRollouts([{ ...ended, lastSequenceId: 1 }]);
  }
  expect([records.deleteEnded(3, 1), left()]).toEqual([1, ['a', 'b']]);
  expect([records.deleteEnded(2, 2), left()]).toEqual([1, ['a']]);
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
