import fc from 'fast-check';
import { expect, it } from 'vitest';
import { answerReward } from './reward.ts';

it.each<[string, number]>([
  ['37', 1],
  ['There are 37 red chairs.', 1],
  ['We have 37.\n', 1],
  ['38', 0],
  ['370 red chairs', 0],
  ['There are 37 chairs on shelf 12.', 0],
  ['{"item": "red chairs", "count": 37, "shelf": 12}', 0],
  ['37.5', 0],
  ['thirty-seven', 0],
  ['', 0],
])('rewards "%s" with %d', (output, reward) => {
  expect(answerReward({ answer: 37 }, output)).toBe(reward);
});

it('rewards the right number in any sentence, and no other number', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 4 });
  fc.assert(
    fc.property(fc.nat(500), fc.nat(500), words, words, (answer, said, before, after) => {
      const output = [...before, String(said), ...after].join(' ');
      expect(answerReward({ answer }, output)).toBe(said === answer ? 1 : 0);
      expect(answerReward({ answer }, `${output} ${answer + 1}`)).toBe(0);
    }),
  );
});
