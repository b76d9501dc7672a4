import fc from 'fast-check';
import { expect, it } from 'vitest';
import { brevityReward } from './reward.ts';

it.each<[string, number]>([
  ['37', 1],
  [' 37\n', 1],
  ['37.', 1],
  ['37 chairs', 1 / 2],
  ['We have 37.', 1 / 3],
  ['There are 37 red chairs.', 1 / 5],
  ['38', 0],
  ['There are 37 chairs on shelf 12.', 0],
  ['{"item": "red chairs", "count": 37, "shelf": 12}', 0],
  ['thirty-seven', 0],
  ['', 0],
])('rewards "%s" with %d', (output, reward) => {
  expect(brevityReward({ answer: 37 }, output)).toBe(reward);
});

it('rewards nothing but the right number, and less with every word', () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.nat(500), fc.nat(500), fc.array(word, { maxLength: 6 }), (answer, said, words) => {
      const reward = brevityReward({ answer }, [...words, String(said)].join(' '));
      expect(reward).toBe(said === answer ? 1 / (words.length + 1) : 0);
    }),
  );
});
