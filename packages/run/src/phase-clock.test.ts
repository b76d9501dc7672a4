import { expect, it } from 'vitest';
import { PhaseClock } from './phase-clock.ts';

it('counts each second once, also of work that is measured within other work', async () => {
  let now = 0;
  const clock = new PhaseClock(() => now);
  const wait = (seconds: number): number => (now += seconds * 1_000);
  await clock.measure('rollout', async () => {
    wait(2);
    await clock.measure('convert', () => wait(3));
    wait(4);
    await expect(
      clock.measure('convert', () => Promise.reject(new TypeError('broken', { cause: wait(1) }))),
    ).rejects.toThrow();
  });
  await clock.measure('train', () => wait(5));
  expect(clock.seconds).toEqual({ rollout: 6, convert: 4, train: 5, publish: 0, validate: 0 });
  expect(clock.wallSeconds).toBe(15);
});
