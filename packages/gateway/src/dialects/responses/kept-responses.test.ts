import { describe, expect, it } from 'vitest';
import type { KeptItems } from '../dialect.ts';
import { earlierItems, keepResponse } from './kept-responses.ts';

const item = (characters: number) => ({ role: 'user', content: 'x'.repeat(characters) });

describe('the responses that are kept for an attempt', () => {
  it('are the newest 256, and items beside them stay', () => {
    const kept: KeptItems = new Map([['msg', item(1)]]);
    for (let number = 0; number < 300; number++) keepResponse(kept, `resp_${number}`, [item(1)]);
    expect(kept.size).toBe(257);
    expect(earlierItems('resp_44', kept)).toHaveLength(1);
    expect(() => earlierItems('resp_43', kept)).toThrow(/previous_response_id/u);
    expect(() => earlierItems('msg', kept)).toThrow(/previous_response_id/u);
    expect(earlierItems(undefined, kept)).toEqual([]);
  });

  it('have at most 4 Mi characters together; one that is larger is not kept, and drives out no other', () => {
    const kept: KeptItems = new Map();
    const third = item(1_500_000);
    for (const name of ['a', 'b', 'c']) keepResponse(kept, name, [third]);
    keepResponse(kept, 'd', [third, third, third]);
    expect([...kept.keys()]).toEqual(['b', 'c']);
  });
});
