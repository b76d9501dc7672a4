import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { unlessAborted } from './unless-aborted.ts';

it('resolves and rejects as the promise does, and leaves the signal alone', async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new TypeError('no')), signal)).rejects.toThrow('no');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('rejects when the signal aborts, and when it has before, though the promise is settled', async () => {
  const stop = new AbortController();
  const waiting = unlessAborted(new Promise(() => undefined), stop.signal);
  stop.abort(new TypeError('over'));
  await expect(waiting).rejects.toThrow('over');
  await expect(unlessAborted(Promise.resolve(1), stop.signal)).rejects.toThrow('over');
  // What fails when nobody waits any more is nobody's unhandled error.
  await expect(unlessAborted(Promise.reject(new TypeError('late')), stop.signal)).rejects.toThrow('over');
});
