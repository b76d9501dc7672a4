import { describe, expect, it } from 'vitest';
import { CheckedStore } from './checked-store.ts';
import type { Operations } from './operations.ts';

/** Carries out every operation at once but for the reading of a position, which answers when it is told to. */
function createSlowPositions(): {
  readonly store: CheckedStore;
  readonly called: string[];
  answer(cursor: string): void;
} {
  const called: string[] = [];
  const position = Promise.withResolvers<string>();
  const operations = {
    call: async (name: string) => {
      called.push(name);
      return name === 'readLastCursor' ? await position.promise : [];
    },
    close: async () => undefined,
  } as unknown as Operations;
  return { store: new CheckedStore(operations), called, answer: position.resolve };
}

describe('a subscription from now on', () => {
  it('holds back the writes that come after it until it knows where it begins', async () => {
    const { store, called, answer } = createSlowPositions();
    store.subscribe();
    const written = store.enqueue([{ rolloutId: 'a', input: 1 }]);
    await store.queryRollouts();
    expect(called).toEqual(['readLastCursor', 'queryRollouts']);
    answer('0');
    await written;
    expect(called.at(-1)).toBe('enqueue');
    await store.close();
  });

  it('costs later writes nothing', async () => {
    const { store, called, answer } = createSlowPositions();
    store.subscribe();
    answer('0');
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    void store.enqueue([{ rolloutId: 'b', input: 1 }]);
    expect(called.filter((name) => name === 'enqueue')).toHaveLength(2);
    await store.close();
  });
});
