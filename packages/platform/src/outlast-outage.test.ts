import { StoreError } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { outlastOutage } from './outlast-outage.ts';

const away = new StoreError('away', { code: 'store-unavailable', retryable: true });
const { signal } = new AbortController();

/** A clock on which only waits take time. */
function createClock(): Clock & { readonly waits: readonly number[] } {
  let nowMs = 0;
  const waits: number[] = [];
  return {
    waits,
    now: () => nowMs,
    wait: async (ms) => {
      nowMs += ms;
      waits.push(ms);
    },
  };
}

/** Work that fails so often before it succeeds. */
function failing(times: number, error: unknown = away): { (): Promise<string>; calls: number } {
  const work = async (): Promise<string> => {
    work.calls += 1;
    if (work.calls <= times) throw error;
    return 'done';
  };
  work.calls = 0;
  return work;
}

describe('outlastOutage', () => {
  it('tries again, with longer and longer waits, until the work succeeds, and tells of the outage once', async () => {
    const clock = createClock();
    const told: unknown[] = [];
    const options = { signal, clock, onOutage: (e: unknown) => told.push(e), onMended: (ms: number) => told.push(ms) };
    expect(await outlastOutage(failing(20), options)).toBe('done');
    expect(clock.waits).toHaveLength(20);
    expect(clock.waits[0]).toBeLessThanOrEqual(50);
    expect(Math.max(...clock.waits)).toBeLessThanOrEqual(5_000);
    expect(clock.waits.at(-1)).toBeGreaterThanOrEqual(2_500);
    expect(told).toEqual([away, clock.now()]);
  });

  it('tells of nothing when the first try succeeds', async () => {
    const told: unknown[] = [];
    await outlastOutage(failing(0), { signal, onOutage: () => told.push('away'), onMended: () => told.push('back') });
    expect(told).toEqual([]);
  });

  it.each([
    ['cannot pass', new StoreError('fenced', { code: 'store-fenced' })],
    ['is not of ours', new Error('boom')],
  ])('gives up at once on an error that %s', async (_, error) => {
    const work = failing(1, error);
    await expect(outlastOutage(work, { signal, clock: createClock() })).rejects.toBe(error);
    expect(work.calls).toBe(1);
  });

  it('gives up when the time is over', async () => {
    const clock = createClock();
    await expect(outlastOutage(failing(Infinity), { signal, clock, limitMs: 60_000 })).rejects.toBe(away);
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
    expect(clock.now()).toBeLessThanOrEqual(65_000);
  });

  it('tries once when the signal is aborted already, and no more after it aborts', async () => {
    const work = failing(Infinity);
    await expect(outlastOutage(work, { signal: AbortSignal.abort() })).rejects.toBe(away);
    expect(work.calls).toBe(1);
    const stop = new AbortController();
    const clock = createClock();
    const waits = async (ms: number): Promise<void> => {
      await clock.wait(ms, signal);
      if (clock.waits.length === 3) stop.abort();
    };
    const other = failing(Infinity);
    await expect(outlastOutage(other, { signal: stop.signal, clock: { ...clock, wait: waits } })).rejects.toBe(away);
    expect(other.calls).toBe(4);
  });
});
