import { check } from '@agent-lightning/core';
import { scoreEvaluation, type Evaluation } from './evaluation.ts';
import { detectableGain, estimateMean, findLimits, type Interval } from './reward-interval.ts';

/** One side of a comparison. */
export interface JudgedSide {
  /** Mean over the tasks of their mean reward. */
  readonly reward: number;
  readonly rollouts: number;
  readonly failed: number;
}

/** The answer to the question whether one agent is better than another. It is JSON. */
export interface Verdict {
  /** `better` and `worse`: the interval is above or below 0. An answer is wrong in at most 2.5 % of the comparisons of equal agents. */
  readonly answer: 'better' | 'worse' | 'cannot-tell';
  /** The candidate's mean reward less the baseline's. */
  readonly gain: number;
  /** The interval of the gain. */
  readonly interval: Interval;
  /** The smallest gain that would have been seen in 4 of 5 such comparisons. */
  readonly detectable: number;
  /** Tasks that both sides have rewards of. */
  readonly tasks: number;
  readonly baseline: JudgedSide;
  readonly candidate: JudgedSide;
  /** The answer in the words of the algorithm, where it has some. */
  readonly words?: string;
}

/** The exit codes by which a command tells its verdict to a build. A command that failed has 1, and one that was called wrongly 2. */
export const verdictExitCodes: Readonly<Record<Verdict['answer'], number>> = Object.freeze({
  better: 0,
  worse: 3,
  'cannot-tell': 4,
});

/** The rewards of one task, of the baseline and of the candidate; both have some. */
export type RewardPair = readonly [baseline: readonly number[], candidate: readonly number[]];

/**
 * Returns the rewards of each task that has some on both sides. One rule scores the failures of both: the lower failure reward of the two,
 * and the sorting of the candidate, which is the later one. The default failure reward falls with the lowest return seen: scored when it was
 * evaluated, an agent that did not change would be worse than it was.
 */
export function pairRewards(baseline: Evaluation, candidate: Evaluation): readonly RewardPair[] {
  const failureReward = Math.min(baseline.failureReward, candidate.failureReward);
  const rule = { failureReward, sorting: candidate.sorting };
  const [before, after] = [scoreEvaluation(baseline, rule), scoreEvaluation(candidate, rule)];
  return before
    .map((rewards, index): RewardPair => [rewards, after[index] ?? []])
    .filter((pair) => pair.every((rewards) => rewards.length > 0));
}

/**
 * Compares two evaluations of the same tasks: the differences of the mean rewards, task by task, with their interval.
 * @throws {ConfigurationError} `option-invalid` for evaluations of different tasks, or where no task has rewards on both sides
 */
export function compareEvaluations(baseline: Evaluation, candidate: Evaluation): Verdict {
  for (const [name, side] of Object.entries({ baseline, candidate }))
    if (!Array.isArray(side?.rewards) || typeof side.tasks !== 'string')
      throw check.optionInvalid(`compareEvaluations: the ${name}`, side, 'an evaluation, as evaluate() gives it');
  if (baseline.tasks !== candidate.tasks)
    throw check.optionInvalid(
      'compareEvaluations: the tasks of the candidate',
      candidate.tasks,
      `those of the baseline, ${baseline.tasks}, in the same order`,
    );
  const pairs = pairRewards(baseline, candidate);
  if (pairs.length === 0)
    throw check.optionInvalid('compareEvaluations: tasks with rewards on both sides', 0, 'at least one');
  const [low, high] = findLimits(pairs.flat(2));
  const differences = pairs.map(([before, after]) => meanOf(after) - meanOf(before));
  const { interval, error } = estimateMean(differences, [low - high, high - low]);
  return {
    answer: interval[0] > 0 ? 'better' : interval[1] < 0 ? 'worse' : 'cannot-tell',
    gain: meanOf(differences),
    interval,
    detectable: detectableGain(error, pairs.length),
    tasks: pairs.length,
    baseline: toSide(
      baseline,
      pairs.map(([before]) => before),
    ),
    candidate: toSide(
      candidate,
      pairs.map(([, after]) => after),
    ),
  };
}

/** Returns the verdict in a sentence, such as `better by 0.31 (0.24 to 0.38): 0.33 → 0.64 on 80 tasks, failed 0 of 320 → 2 of 320`. @throws {ConfigurationError} `option-invalid` */
export function describeVerdict(verdict: Verdict): string {
  if (typeof verdict?.baseline !== 'object' || typeof verdict.candidate !== 'object')
    throw check.optionInvalid('describeVerdict: verdict', verdict, 'a verdict, as compareEvaluations() gives it');
  const { baseline, candidate, tasks, words } = verdict;
  const failed = ({ failed: count, rollouts }: JudgedSide): string => `${count} of ${rollouts}`;
  return [
    `${describeAnswer(verdict)}: reward ${baseline.reward.toFixed(3)} → ${candidate.reward.toFixed(3)} on ${tasks} ${tasks === 1 ? 'task' : 'tasks'}`,
    `failed rollouts ${failed(baseline)} → ${failed(candidate)}${words === undefined ? '' : `; ${words}`}`,
  ].join(', ');
}

function describeAnswer({ answer, gain, interval, detectable }: Verdict): string {
  const [low, high] = interval.map((end) => toSigned(end));
  if (answer === 'cannot-tell')
    return `can't tell (${toSigned(gain)}, ${low} to ${high}; could have seen ≥ ${detectable.toFixed(3)})`;
  return `${answer} by ${Math.abs(gain).toFixed(3)} (${low} to ${high})`;
}

function toSigned(value: number): string {
  const digits = value.toFixed(3);
  return value > 0 ? `+${digits}` : digits.replace('-', '−');
}

function toSide({ rollouts, failed }: Evaluation, rewards: readonly (readonly number[])[]): JudgedSide {
  return { reward: meanOf(rewards.map(meanOf)), rollouts, failed };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
