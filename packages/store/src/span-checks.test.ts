import { expect, it } from 'vitest';
import { storeLimits } from './field-checks.ts';
import { resolveSpanQuery } from './span-checks.ts';

it('takes as many span ids as ids of rollouts, and no more', () => {
  const ids = (count: number): string[] => Array<string>(count).fill('0000000000000001');
  const resolve = (spanIds: unknown): unknown => resolveSpanQuery({ rolloutIds: ['a'], spanIds } as never).spanIds;
  const { requestsPerCall } = storeLimits;
  expect(resolve(ids(requestsPerCall))).toHaveLength(requestsPerCall);
  expect(() => resolve(ids(requestsPerCall + 1))).toThrow(`query.spanIds must have at most ${requestsPerCall} items`);
  expect(() => resolve('0000000000000001')).toThrow('query.spanIds must be an array');
  expect(() => resolve(['x'])).toThrow('query.spanIds[0]');
});
