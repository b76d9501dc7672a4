/** Measures how often the verdict of `fit` is right: of runs that learned nothing, that learned a little, and that learned the wrong thing. */
import type { StepRollouts } from '@agent-lightning/core';
import type { Verdict } from '@agent-lightning/trainer';
import { trainSimulated, type SimulatedPolicy } from '../agents/simulated-policy.ts';
import type { LearningCase } from '../learning-case.ts';

/** A task that the untrained policy solves with this chance. */
type ChanceTask = { readonly chance: number };

type Answers = Record<Verdict['answer'], number>;

const limits = { equalBetterAtMost: 10, gainBetterAtLeast: 80, survivorsWorseAtLeast: 5 } as const;
const runs = { equal: 200, gain: 100, survivors: 5 } as const;

/** Tasks from hard to easy; the highest chance leaves room for a gain of 0.1. */
function makeTasks(count: number): readonly ChanceTask[] {
  return Array.from({ length: count }, (_, index) => ({ chance: (0.9 * (index + 0.5)) / count }));
}

/** A policy that solves each task with its chance and `gain` more, once it has taken a step. */
function improveBy(gain: number): SimulatedPolicy<ChanceTask> {
  return {
    start: 0,
    rolloutsPerStep: 1,
    learn: () => gain,
    act: (value, { chance }, random) => (random() < chance + value ? 1 : 0),
  };
}

/**
 * A policy that learns from survivors only. It has the logit of the risky answer, which fails 9 times of 10 and earns 1 otherwise; the safe
 * answer earns 0.5. Failures are left out, so that the risky answer looks twice as good.
 */
const survivorsOnly: SimulatedPolicy<ChanceTask> = {
  start: 0,
  rolloutsPerStep: 64,
  learn: (logit, { episodes }: StepRollouts) => {
    const rewards = episodes.flatMap(({ rollout, reward }) =>
      rollout.status === 'succeeded' && reward !== undefined ? [reward] : [],
    );
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    const risky = sigmoid(logit);
    const slope = rewards.map((reward) => (reward - mean) * ((reward === 1 ? 1 : 0) - risky));
    return logit + (20 * slope.reduce((sum, each) => sum + each, 0)) / rewards.length;
  },
  act: (logit, _, random) => {
    if (random() >= sigmoid(logit)) return 0.5;
    if (random() < 0.9) throw new RangeError('the agent took too many turns');
    return 1;
  },
};

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Trains with one seed after the other, and counts the answers. */
async function countAnswers<Policy extends SimulatedPolicy<ChanceTask>>(
  policy: Policy,
  count: number,
  fit: { readonly heldOut: number; readonly steps: number; readonly validationEvery: number },
): Promise<Answers> {
  const answers: Answers = { better: 0, worse: 0, 'cannot-tell': 0 };
  const { heldOut, ...rest } = fit;
  const validation = makeTasks(heldOut);
  for (let seed = 0; seed < count; seed++) {
    const { verdict: said } = await trainSimulated(policy, seed, { train: makeTasks(8), validation, ...rest });
    answers[said!.answer] += 1;
  }
  return answers;
}

/** The case `verdict`. */
export const verdict: LearningCase = {
  name: 'verdict',
  summary: 'the verdict of runs that learned nothing, a little, and the wrong thing',
  async run() {
    const startedAtMs = performance.now();
    // Five checkpoints that are worth the same, of which the best on the selection half is judged.
    const equal = await countAnswers(improveBy(0), runs.equal, { heldOut: 40, steps: 5, validationEvery: 1 });
    const gain = await countAnswers(improveBy(0.1), runs.gain, { heldOut: 300, steps: 1, validationEvery: 0 });
    const survivors = await countAnswers(survivorsOnly, runs.survivors, {
      heldOut: 128,
      steps: 20,
      validationEvery: 0,
    });
    const ok =
      equal.better <= limits.equalBetterAtMost &&
      gain.better >= limits.gainBetterAtLeast &&
      survivors.worse >= limits.survivorsWorseAtLeast;
    const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
    return { ok, figures: { equal, gain, survivors, runs, limits, seconds } };
  },
};
