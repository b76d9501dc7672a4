import { expect, it } from 'vitest';
import { planGroups, planMore } from './planned-rollout.ts';

it('plans further rollouts of a group, and further groups, under keys that nothing else has', () => {
  const planned = planGroups(3, ['a', 'b', 'c'], [2, 0], 2, 'prompts');
  const second = planned.filter(({ groupKey }) => groupKey === 's3.g1');
  const more = planMore(second, 2, { more: 'failed' });
  expect(more).toEqual(
    [2, 3].map((sample) => ({
      key: `s3.g1.k${sample}`,
      groupKey: 's3.g1',
      input: 'a',
      mode: 'train',
      resourcesId: 'prompts',
      metadata: { step: 3, task: 0, sample, more: 'failed' },
    })),
  );
  const further = planGroups(3, ['a', 'b', 'c'], [1], 2, 'prompts', 2);
  expect(further.map(({ key, input }) => [key, input])).toEqual([
    ['s3.g2.k0', 'b'],
    ['s3.g2.k1', 'b'],
  ]);
  const keys = [...planned, ...more, ...planMore([...second, ...more], 1), ...further].map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
});

it('refuses to add to a rollout that has no group', () => {
  expect(() => planMore([{ key: 'v0.t1', input: 1, mode: 'val', metadata: {} }], 1)).toThrow(
    'planMore: groupKey must be the key of a group; got undefined',
  );
});
