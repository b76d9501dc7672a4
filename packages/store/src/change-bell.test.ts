import { expect, it } from 'vitest';
import { ChangeBell } from './change-bell.ts';

it('does not miss a ring between the look and the wait', async () => {
  const bell = new ChangeBell();
  const watch = bell.watch();
  bell.ring();
  await watch.next(undefined, undefined);
});

it('does not miss what another process did between the look and the wait', async () => {
  let tell: () => void = () => undefined;
  const bell = new ChangeBell((listener) => {
    tell = listener;
    return () => undefined;
  });
  const watch = bell.watch();
  tell();
  await watch.next(undefined, undefined);
});

it('wakes all who wait, and looks out for others only while somebody watches', async () => {
  let watchers = 0;
  let tell: () => void = () => undefined;
  const bell = new ChangeBell((listener) => {
    watchers++;
    tell = listener;
    return () => void watchers--;
  });
  const [first, second] = [bell.watch(), bell.watch()];
  const waiting = [first.next(undefined, undefined), second.next(60_000, undefined)];
  expect(watchers).toBe(1);
  tell();
  await Promise.all(waiting);
  first.end();
  expect(watchers).toBe(1);
  second.end();
  expect(watchers).toBe(0);
});

it('returns at its limit and at its signal', async () => {
  const watch = new ChangeBell().watch();
  await watch.next(0, undefined);
  await watch.next(1, undefined);
  await watch.next(undefined, AbortSignal.abort());
  const stop = new AbortController();
  const waiting = watch.next(undefined, stop.signal);
  stop.abort();
  await waiting;
});
