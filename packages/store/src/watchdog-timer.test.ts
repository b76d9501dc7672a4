import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WatchdogTimer } from './watchdog-timer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('runs every interval until it is stopped, and never twice at a time', async () => {
  let ticks = 0;
  let finish: () => void = () => undefined;
  const timer = new WatchdogTimer(10, () => {
    ticks++;
    return new Promise((resolve) => (finish = resolve));
  });
  await vi.advanceTimersByTimeAsync(35);
  expect(ticks).toBe(1);
  finish();
  await vi.advanceTimersByTimeAsync(10);
  expect(ticks).toBe(2);
  finish();
  timer.stop();
  await vi.advanceTimersByTimeAsync(100);
  expect(ticks).toBe(2);
});

it('gives heartbeats a turn after the process stood still', async () => {
  let stoodStillMs = 0;
  let ticks = 0;
  const timer = new WatchdogTimer(
    10,
    async () => void ticks++,
    () => performance.now() + stoodStillMs,
  );
  await vi.advanceTimersByTimeAsync(10);
  expect(ticks).toBe(1);
  stoodStillMs = 60_000;
  await vi.advanceTimersByTimeAsync(10);
  expect(ticks).toBe(1);
  await vi.advanceTimersByTimeAsync(10);
  expect(ticks).toBe(2);
  timer.stop();
});

it('runs every other turn in a process that is always late', async () => {
  let lateMs = 0;
  let ticks = 0;
  const timer = new WatchdogTimer(
    10,
    async () => void ticks++,
    () => performance.now() + (lateMs += 100),
  );
  await vi.advanceTimersByTimeAsync(60);
  expect(ticks).toBe(3);
  timer.stop();
});

it('does nothing with an interval of 0', async () => {
  let ticks = 0;
  new WatchdogTimer(0, async () => void ticks++);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ticks).toBe(0);
});
