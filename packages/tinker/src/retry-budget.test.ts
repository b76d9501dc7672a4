import { expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

async function waitAfter(askedMs?: number): Promise<number> {
  let waitedMs = 0;
  const clock = { now: () => waitedMs, wait: async (ms: number) => void (waitedMs += ms) };
  const signal = new AbortController().signal;
  const budget = new RetryBudget({ clock, signal, what: 'sample', retryForMs: 600_000, timeoutMs: 600_000 });
  await budget.pause('status 429', askedMs);
  return waitedMs;
}

it('waits as long as the server asked for, up to a bound', async () => {
  expect([await waitAfter(3_000), await waitAfter(86_400_000)]).toEqual([3_000, 60_000]);
});

it('waits a while even where the server asked for no wait, as one with another clock may', async () => {
  expect(await waitAfter(0)).toBeGreaterThan(0);
  expect(await waitAfter()).toBeLessThanOrEqual(500);
});
