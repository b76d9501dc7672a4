import { describe, expect, it } from 'vitest';
import { randomOrder, seededRandom } from './seeded-random.ts';

describe('seededRandom', () => {
  it('repeats itself for the same seed and purpose, and for nothing else', () => {
    const draw = (seed: number, purpose: string): readonly number[] =>
      Array.from({ length: 5 }, seededRandom(seed, purpose));
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
  });

  it('is mulberry32 from the seed where no purpose is given', () => {
    expect(Array.from({ length: 3 }, seededRandom(42)).map((value) => value * 2 ** 32)).toEqual([
      2_581_720_956, 1_925_393_290, 3_661_312_704,
    ]);
    expect(seededRandom(-1)()).toBe(seededRandom(2 ** 32 - 1)());
  });

  it('is even over [0, 1)', () => {
    const random = seededRandom(7, 'even');
    const bins = Array.from({ length: 10 }, () => 0);
    for (let count = 0; count < 20_000; count++) bins[Math.floor(random() * 10)]! += 1;
    for (const bin of bins) expect(Math.abs(bin - 2_000)).toBeLessThan(200);
  });
});

describe('randomOrder', () => {
  it('is a permutation, and every position is as likely', () => {
    const random = seededRandom(3, 'order');
    const firsts = Array.from({ length: 4 }, () => 0);
    for (let count = 0; count < 4_000; count++) {
      const order = randomOrder(4, random);
      expect(order.toSorted()).toEqual([0, 1, 2, 3]);
      firsts[order[0]!]! += 1;
    }
    for (const first of firsts) expect(Math.abs(first - 1_000)).toBeLessThan(150);
  });
});
