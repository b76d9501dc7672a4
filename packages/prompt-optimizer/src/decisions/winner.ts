import { findBest, type Candidate } from '../candidates/candidate.ts';
import { isClearlyBetter } from './acceptance.ts';

/**
 * Returns the position of the candidate that takes the place of the first one, which has the prompts as they stand in the code: the one with the highest mean reward among those
 * that are better than the first by more than luck gives easily; 0 when there is none.
 * @param noise variance of the reward when a candidate runs a task again
 */
export function findWinner(pool: readonly Pick<Candidate, 'scores'>[], noise: number): number {
  const first = pool[0]!.scores;
  const rivals = [...pool.keys()].filter(
    (position) => position === 0 || isClearlyBetter(first, pool[position]!.scores, noise),
  );
  return rivals[findBest(rivals.map((position) => pool[position]!))]!;
}
