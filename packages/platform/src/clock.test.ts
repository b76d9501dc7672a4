import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

describe('the system clock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('waits for as long as it is told', async () => {
    let hasEnded = false;
    const wait = systemClock.wait(500, new AbortController().signal).then(() => (hasEnded = true));
    await vi.advanceTimersByTimeAsync(499);
    expect(hasEnded).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await wait;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends a wait when its signal aborts, and leaves no timer', async () => {
    const stop = new AbortController();
    const wait = systemClock.wait(500, stop.signal);
    stop.abort();
    await wait;
    await systemClock.wait(500, stop.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});
