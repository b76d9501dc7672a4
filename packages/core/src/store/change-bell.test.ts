import { expect, it } from 'vitest';
import { ChangeBell } from './change-bell.ts';

it('does not miss a ring between the look and the wait', async () => {
  const bell = new ChangeBell();
  const { count } = bell;
  bell.ring();
  await bell.after(count, undefined, undefined);
});

it('wakes all who wait, and looks out for others only meanwhile', async () => {
  let watchers = 0;
  let tell: () => void = () => undefined;
  const bell = new ChangeBell((listener) => {
    watchers++;
    tell = listener;
    return () => void watchers--;
  });
  const waiting = [bell.after(bell.count, undefined, undefined), bell.after(bell.count, 60_000, undefined)];
  expect(watchers).toBe(1);
  tell();
  await Promise.all(waiting);
  expect(watchers).toBe(0);
});

it('returns at its limit and at its signal', async () => {
  const bell = new ChangeBell();
  await bell.after(bell.count, 0, undefined);
  await bell.after(bell.count, 1, undefined);
  await bell.after(bell.count, undefined, AbortSignal.abort());
  const stop = new AbortController();
  const waiting = bell.after(bell.count, undefined, stop.signal);
  stop.abort();
  await waiting;
});
