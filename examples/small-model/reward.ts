/** The reward: does the answer give the right number, and no other? */
import type { ShopQuestion } from './shop.ts';

/** Returns 1 when the right number is in the answer and no other number is, else 0. */
export function answerReward({ answer }: Pick<ShopQuestion, 'answer'>, output: string): number {
  const numbers = output.match(/\d+(?:\.\d+)?/g) ?? [];
  return numbers.length === 1 && Number(numbers[0]) === answer ? 1 : 0;
}
