/** The reward: is the agent's last word the right answer, in the form that was asked for? */
import type { Problem } from './problems.ts';

/** 1 for `Answer: ` and the right number, and nothing else; else 0. */
export function answerReward({ answer }: Pick<Problem, 'answer'>, output: string): number {
  const said = /^Answer: (-?\d+(?:\.\d+)?)$/.exec(output.trim())?.[1];
  return said !== undefined && Number(said) === answer ? 1 : 0;
}
