import { describe, expect, it } from 'vitest';
import { seededRandom } from '@agent-lightning/core';

import { pickerByKind } from './random.ts';

describe('pickerByKind', () => {
  const items = [...Array.from({ length: 9 }, (_, id) => ({ kind: 'common', id })), { kind: 'rare', id: 9 }];

  it('draws a kind as often as another one of which there are more, and each of its items', () => {
    const [next, random] = [pickerByKind(items), seededRandom(1)];
    const drawn = Array.from({ length: 2_000 }, () => next(random));
    expect(drawn.filter(({ kind }) => kind === 'rare').length / drawn.length).toBeCloseTo(0.5, 1);
    expect(new Set(drawn).size).toBe(items.length);
  });

  it('draws the same for the same seed', () => {
    const draw = (): readonly object[] => {
      const [next, random] = [pickerByKind(items), seededRandom(3)];
      return Array.from({ length: 20 }, () => next(random));
    };
    expect(draw()).toEqual(draw());
  });
});
