/**
 * Figures of a step that tell whether answers depend on their tasks, and rewards on answers. The answer of a rollout is the
 * response tokens of all its calls, one call after the other.
 */
import type { Episode } from '@agent-lightning/core';
import type { AnswerMetrics, RepeatedAnswers } from '../metrics.ts';

interface Answer {
  readonly task: string;
  readonly tokens: readonly number[];
  readonly reward: number | undefined;
}

/** Measures the answers of a step's rollouts; undefined unless two different tasks have answers, one of them two. */
export function measureAnswers(episodes: readonly Episode[]): AnswerMetrics | undefined {
  const byTask = Map.groupBy(episodes.flatMap(toAnswer), ({ task }) => task);
  const tasks = [...byTask.values()];
  if (tasks.length < 2 || tasks.every((answers) => answers.length < 2)) return undefined;
  const repeated = compareRepeated(tasks);
  return { ...measureSimilarity(tasks), ...(repeated === undefined ? {} : { repeated }) };
}

function toAnswer({ rollout, transitions, reward }: Episode): readonly Answer[] {
  const tokens = transitions.flatMap(({ responseIds }) => [...responseIds]);
  return tokens.length === 0 ? [] : [{ task: JSON.stringify(rollout.input), tokens, reward }];
}

/**
 * Returns the mean cosine over pairs of answers. With u an answer's counts of token pairs, scaled to length 1, and S the sum of u over a
 * set, the mean over the pairs of n answers is (|S|² − n) / (n·(n − 1)); so the cost grows with the answers and not with their pairs.
 */
function measureSimilarity(tasks: readonly (readonly Answer[])[]): Pick<AnswerMetrics, 'sameTask' | 'otherTask'> {
  const all = new Map<string, number>();
  let count = 0;
  let squaresOfTasks = 0;
  let pairsOfTasks = 0;
  let sameSum = 0;
  for (const answers of tasks) {
    const own = new Map<string, number>();
    for (const { tokens } of answers) addDirection(own, tokens);
    for (const [key, value] of own) all.set(key, (all.get(key) ?? 0) + value);
    const squares = squaredLength(own);
    count += answers.length;
    squaresOfTasks += squares;
    sameSum += squares - answers.length;
    pairsOfTasks += answers.length * (answers.length - 1);
  }
  const otherPairs = count * (count - 1) - pairsOfTasks;
  return { sameTask: sameSum / pairsOfTasks, otherTask: (squaredLength(all) - squaresOfTasks) / otherPairs };
}

/** Adds the direction of an answer, its counts of neighbouring tokens (of tokens, where it has only one) scaled to length 1. */
function addDirection(sum: Map<string, number>, tokens: readonly number[]): void {
  const counts = new Map<string, number>();
  const add = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  if (tokens.length === 1) add(`${tokens[0]}`);
  for (let t = 1; t < tokens.length; t += 1) add(`${tokens[t - 1]},${tokens[t]}`);
  const length = Math.sqrt(squaredLength(counts));
  for (const [key, value] of counts) sum.set(key, (sum.get(key) ?? 0) + value / length);
}

function squaredLength(vector: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const value of vector.values()) sum += value * value;
  return sum;
}

/** Splits the variance of the rewards of each task into that between different answers and that among equal ones. */
function compareRepeated(tasks: readonly (readonly Answer[])[]): RepeatedAnswers | undefined {
  let [between, betweenDegrees, within, withinDegrees] = [0, 0, 0, 0];
  for (const answers of tasks) {
    const rewarded = answers.flatMap(({ tokens, reward }) => (reward === undefined ? [] : [{ tokens, reward }]));
    const same = [...Map.groupBy(rewarded, ({ tokens }) => tokens.join(',')).values()];
    if (same.length < 2 || same.length === rewarded.length) continue;
    const mean = meanReward(rewarded);
    betweenDegrees += same.length - 1;
    withinDegrees += rewarded.length - same.length;
    for (const equal of same) {
      const own = meanReward(equal);
      between += equal.length * (own - mean) ** 2;
      for (const { reward } of equal) within += (reward - own) ** 2;
    }
  }
  return withinDegrees === 0 ? undefined : { between, betweenDegrees, within, withinDegrees };
}

function meanReward(items: readonly { readonly reward: number }[]): number {
  return items.reduce((sum, { reward }) => sum + reward, 0) / items.length;
}
