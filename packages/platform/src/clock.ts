/** A clock that tests can replace. */
export interface Clock {
  /** Returns milliseconds that only grow. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts. With `idle`, waiting does not keep the process alive. */
  wait(ms: number, signal: AbortSignal, idle?: boolean): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wait: (ms, signal, idle = false) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      if (idle) timer.unref();
      signal.addEventListener('abort', done);
    }),
};
