import { expect, it } from 'vitest';
import { Repeater } from '../app/src/repeater.ts';

interface Work extends PromiseWithResolvers<void> {
  readonly signal: AbortSignal;
}

/** Makes a repeater whose pieces of work end when they are told to; `next` waits for the one that begins next. */
function makeRepeater() {
  const works: Work[] = [];
  let begun = Promise.withResolvers<void>();
  const repeater = new Repeater(async (signal) => {
    const work = { ...Promise.withResolvers<void>(), signal };
    works.push(work);
    begun.resolve();
    await work.promise;
  });
  const next = async (ask: () => void): Promise<void> => {
    begun = Promise.withResolvers<void>();
    ask();
    await begun.promise;
  };
  return { repeater, works, next };
}

it('lets work under way end, and does it once more for all that asked meanwhile', async () => {
  const { repeater, works, next } = makeRepeater();
  for (let times = 0; times < 5; times += 1) repeater.start();
  expect(works).toHaveLength(1);
  await next(() => works[0]!.resolve());
  expect(works).toHaveLength(2);
  expect(works[0]!.signal.aborted).toBe(false);
  works[1]!.resolve();
  await next(() => repeater.start());
  expect(works).toHaveLength(3);
});

it('is cut off when it is stopped, and begins nothing more', async () => {
  const { repeater, works } = makeRepeater();
  repeater.start();
  repeater.start();
  repeater.stop();
  expect(works[0]!.signal.aborted).toBe(true);
  works[0]!.resolve();
  await works[0]!.promise;
  repeater.start();
  expect(works).toHaveLength(1);
});
