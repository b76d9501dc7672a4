import { expect, it } from 'vitest';
import { followWhileSeen, type EventStream } from '../app/src/follow-while-seen.ts';

class Page extends EventTarget {
  visibilityState: 'visible' | 'hidden';
  constructor(state: 'visible' | 'hidden') {
    super();
    this.visibilityState = state;
  }
  show(state: 'visible' | 'hidden'): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

class Stream extends EventTarget implements EventStream {
  isClosed = false;
  close(): void {
    this.isClosed = true;
  }
  /** Tells that the connection is there, as a browser does each time. */
  connect(): void {
    this.dispatchEvent(new Event('open'));
  }
}

function follow(page: Page) {
  const streams: Stream[] = [];
  const counts = { missed: 0 };
  const open = (): Stream => {
    streams.push(new Stream());
    return streams.at(-1)!;
  };
  const end = followWhileSeen(page, open, () => (counts.missed += 1));
  return { streams, counts, end, areClosed: () => streams.map(({ isClosed }) => isClosed) };
}

it('holds a stream while the page is seen, and tells when events may have been missed', () => {
  const page = new Page('visible');
  const { streams, counts, end, areClosed } = follow(page);
  streams[0]!.connect();
  expect(counts.missed).toBe(0); // what the page shows was asked for just now
  streams[0]!.connect(); // the connection was lost in between
  expect(counts.missed).toBe(1);
  page.show('hidden');
  expect(areClosed()).toEqual([true]);
  page.show('visible');
  page.show('visible');
  expect(areClosed()).toEqual([true, false]);
  streams[1]!.connect();
  expect(counts.missed).toBe(2);
  end();
  page.show('hidden');
  page.show('visible');
  expect(areClosed()).toEqual([true, true]);
});

it('holds none for a page that nobody has seen yet', () => {
  const page = new Page('hidden');
  const { streams, counts } = follow(page);
  expect(streams).toEqual([]);
  page.show('visible');
  streams[0]!.connect();
  expect(counts.missed).toBe(1);
});
