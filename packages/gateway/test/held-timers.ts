import { vi } from 'vitest';

/** Controls the timers of one duration, whose time is over when the test says so. */
export interface HeldTimers extends Disposable {
  /** Ends the time of every such timer that was set and not cleared. */
  end(): void;
  /** The number of such timers that are set now. */
  readonly count: number;
}

/**
 * Holds back the timers that are set for exactly `durationMs` from now on, so that what a test does before they end is not a race
 * against a busy machine. Choose a duration that nothing else uses; dispose of it before the next test.
 */
export function holdTimers(durationMs: number): HeldTimers {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const held = new Map<NodeJS.Timeout, () => void>();
  const setSpy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((
    work: (...args: unknown[]) => void,
    delayMs?: number,
    ...args: unknown[]
  ) => {
    if (delayMs !== durationMs) return set(work, delayMs, ...args);
    const timer = set(() => undefined, 2 ** 31 - 1);
    held.set(timer, () => work(...args));
    return timer;
  }) as typeof setTimeout);
  const clearSpy = vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
    held.delete(timer as NodeJS.Timeout);
    clear(timer);
  });
  return {
    get count() {
      return held.size;
    },
    end() {
      const due = [...held]; // without those that are set meanwhile
      for (const [timer, work] of due) {
        clearTimeout(timer);
        work();
      }
    },
    [Symbol.dispose]() {
      for (const timer of held.keys()) clear(timer);
      setSpy.mockRestore();
      clearSpy.mockRestore();
    },
  };
}
