/** The reward: the right number, in as few words as possible. */
import type { ShopQuestion } from './shop.ts';

/** Returns 1 for the right number alone, 1 / n for n words with the right number and no other among them, else 0. */
export function brevityReward({ answer }: Pick<ShopQuestion, 'answer'>, output: string): number {
  const numbers = output.match(/\d+(?:\.\d+)?/g) ?? [];
  if (numbers.length !== 1 || Number(numbers[0]) !== answer) return 0;
  return 1 / output.trim().split(/\s+/).length;
}
