import { expect, it } from 'vitest';
import { RolloutPages } from '../app/src/parts/rollout-pages.ts';
import type { RolloutEntry, RolloutPage } from '../src/api.ts';

interface Request extends PromiseWithResolvers<RolloutPage> {
  readonly page: number;
  readonly signal: AbortSignal;
}

/** Makes pages whose requests are answered by hand; `read` waits for the next page or error that is there. */
function makePages() {
  const requests: Request[] = [];
  let told = Promise.withResolvers<void>();
  const pages = new RolloutPages(
    (page, signal) => {
      const request = { ...Promise.withResolvers<RolloutPage>(), page, signal };
      requests.push(request);
      return request.promise;
    },
    () => told.resolve(),
    1,
  );
  const read = async (answer: () => void): Promise<void> => {
    told = Promise.withResolvers<void>();
    answer();
    await told.promise;
    await Promise.resolve(); // the repeater goes on after its work
  };
  return { pages, requests, read, asked: () => requests.map(({ page }) => page) };
}

function pageOf(id: string): RolloutPage {
  const counts = { total: 250, offset: 0, read: 250, isComplete: true, statuses: {}, failures: {} };
  return { ...counts, items: [{ id } as RolloutEntry] };
}

it('asks once for what is wanted, and once more for what is under way when the rollouts change', async () => {
  const { pages, requests, read, asked } = makePages();
  pages.follow(1);
  pages.want(0, 120);
  pages.want(0, 120);
  expect(asked()).toEqual([0, 1]);
  await read(() => requests[0]!.resolve(pageOf('old')));
  expect([pages.at(0)?.id, pages.at(100), pages.counts?.total]).toEqual(['old', undefined, 250]);
  pages.want(100, 120); // the first page has left the window
  pages.follow(2);
  pages.follow(2);
  expect(asked()).toEqual([0, 1]);
  await read(() => requests[1]!.resolve(pageOf('slow')));
  expect([pages.at(0), pages.at(100)?.id]).toEqual([undefined, 'slow']);
  expect(asked()).toEqual([0, 1, 1]);
  await read(() => requests[2]!.reject(new Error('the store is away')));
  expect(pages.error).toBe('the store is away');
});

it('asks for nothing more when it is stopped, as for another filter', async () => {
  const { pages, requests, asked } = makePages();
  pages.want(0, 10);
  pages.follow(2);
  pages.stop();
  expect(requests[0]!.signal.aborted).toBe(true);
  requests[0]!.resolve(pageOf('late'));
  await requests[0]!.promise;
  pages.want(0, 10);
  expect(asked()).toEqual([0]);
  expect(pages.at(0)).toBeUndefined();
});
