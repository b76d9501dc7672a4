import { expect, it } from 'vitest';
import { ChangeNotifier } from './change-notifier.ts';

it('does not miss a notification between the look and the wait', async () => {
  const notifier = new ChangeNotifier();
  const watch = notifier.watch();
  notifier.notify();
  await watch.next(undefined, undefined);
});

it('does not miss what another process did between the look and the wait', async () => {
  let tell: () => void = () => undefined;
  const notifier = new ChangeNotifier((listener) => {
    tell = listener;
    return () => undefined;
  });
  const watch = notifier.watch();
  tell();
  await watch.next(undefined, undefined);
});

it('wakes all who wait, and looks out for others only while somebody watches', async () => {
  let watchers = 0;
  let tell: () => void = () => undefined;
  const notifier = new ChangeNotifier((listener) => {
    watchers++;
    tell = listener;
    return () => void watchers--;
  });
  const [first, second] = [notifier.watch(), notifier.watch()];
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
  const watch = new ChangeNotifier().watch();
  await watch.next(0, undefined);
  await watch.next(1, undefined);
  await watch.next(undefined, AbortSignal.abort());
  const stop = new AbortController();
  const waiting = watch.next(undefined, stop.signal);
  stop.abort();
  await waiting;
});
