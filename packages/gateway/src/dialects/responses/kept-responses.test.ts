import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../http/read-body.ts';
import { KeptItems } from '../kept-items.ts';
import { earlierItems, keepResponse } from './kept-responses.ts';
import { responsesDialect } from './responses-dialect.ts';

const item = (characters: number): JsonObject => ({ role: 'user', content: 'x'.repeat(characters) });

const namesKept = ({ responses }: KeptItems, names: readonly string[]): readonly string[] =>
  names.filter((name) => responses.get(name) !== undefined);

describe('the responses that are kept for an attempt', () => {
  it('are the newest 256, and items beside them stay', () => {
    const kept = new KeptItems();
    kept.outputs.set('msg', item(1), 1);
    for (let number = 0; number < 300; number++) keepResponse(kept, `resp_${number}`, [item(1)]);
    expect(kept.outputs.get('msg')).toEqual(item(1));
    expect(earlierItems('resp_44', kept)).toHaveLength(1);
    expect(() => earlierItems('resp_43', kept)).toThrow(/previous_response_id/u);
    expect(() => earlierItems('msg', kept)).toThrow(/previous_response_id/u);
    expect(earlierItems(undefined, kept)).toEqual([]);
  });

  it('have at most 4 Mi characters together; one that is larger is not kept, and drives out no other', () => {
    const kept = new KeptItems();
    const third = item(1_500_000);
    for (const name of ['a', 'b', 'c']) keepResponse(kept, name, [third]);
    keepResponse(kept, 'd', [third, third, third]);
    expect(namesKept(kept, ['a', 'b', 'c', 'd'])).toEqual(['b', 'c']);
  });

  it('are gone over once, when they are kept, and each of their items is measured once', () => {
    let [reads, measured] = [0, 0];
    const shared = { ...item(1), toJSON: () => ({ measured: (measured += 1) }) };
    const counted = (): readonly JsonObject[] =>
      new Proxy([shared as unknown as JsonObject], {
        get(target, name) {
          if (name === '0') reads += 1;
          return Reflect.get(target, name) as unknown;
        },
      });
    const kept = new KeptItems();
    for (let number = 0; number < 300; number++) keepResponse(kept, `resp_${number}`, counted());
    expect([reads, measured]).toEqual([300, 1]);
  });

  it('are resolved once for a request, and not at all where its reply is not stored', () => {
    let reads = 0;
    const kept = new KeptItems();
    class CountingItems extends KeptItems {
      override readonly responses = new Proxy(kept.responses, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          if (name === 'get') reads += 1;
          return value.bind(target) as unknown;
        },
      });
    }
    keepResponse(kept, 'resp', [item(1)]);
    const body = { model: 'policy', input: 'And?', previous_response_id: 'resp' };
    const reply = {
      id: 'next',
      choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }],
    };
    const { translation } = responsesDialect.parse(body, new CountingItems());
    translation!.whole(reply);
    expect(reads).toBe(1);
    expect(earlierItems('next', kept)).toHaveLength(3);
    responsesDialect.parse({ ...body, store: false }, new CountingItems()).translation!.whole({ ...reply, id: 'no' });
    expect([reads, namesKept(kept, ['resp', 'next', 'no'])]).toEqual([2, ['resp', 'next']]);
  });
});
