import { buildBatch, type Episode } from '@agent-lightning/core';
import { trainSynthetic } from '../agents/train-synthetic.ts';
import { chain, needle, sum } from '../agents/synthetic-agent.ts';
import { toyEpisode } from '../agents/toy-episode.ts';
import type { LearningCase } from '../learning-case.ts';

const limits = { shareOfReal: 0.05, target: 0.9, mostRollouts: 20_000 };
const seeds = [0, 1];
const judgeNoise = 0.05;

/** Noise of a judge and shaping alone never get the advantage of a success, and do not keep a run from its target. */
export const noise: LearningCase = {
  name: 'noise',
  summary:
    'differences that are noise get at most 0.05 of a real advantage; with judge noise of 0.05 three agents reach 0.9',
  run: async () => {
    const real = largestAdvantage([1, 0, 0, 0, 0, 0, 0, 0].map((reward) => ({ reward })));
    const advantages = {
      real,
      'one judge': largestAdvantage([0.7, 0.7, 0.7, 0.70001].map((reward) => ({ reward }))),
      'scores 0.9001 to 0.9003': largestAdvantage([0.9001, 0.9002, 0.9003].map((reward) => ({ reward }))),
      'one failed tool': largestAdvantage([1, 0, 0, 0, 0, 0, 0, 0].map((failedTools) => ({ reward: 0, failedTools }))),
    };
    const { real: _, ...noisy } = advantages;
    const rollouts: Record<string, (number | null)[]> = {};
    for (const agent of [needle, sum, chain]) {
      const own: (number | null)[] = (rollouts[agent.name] = []);
      for (const seed of seeds) own.push((await rolloutsToTarget(agent, seed)) ?? null);
    }
    const isSmall = Object.values(noisy).every((value) => value <= limits.shareOfReal * real);
    const hasArrived = Object.values(rollouts)
      .flat()
      .every((count) => count !== null);
    return { ok: isSmall && hasArrived, figures: { limits, judgeNoise, seeds, advantages, rollouts } };
  },
};

async function rolloutsToTarget(agent: typeof chain, seed: number): Promise<number | undefined> {
  return await trainSynthetic(agent, {
    seed,
    policy: 'table',
    learningRate: 0.1,
    target: limits.target,
    mostRollouts: limits.mostRollouts,
    judge: (reward, random) => reward + judgeNoise * normal(random),
  });
}

/** Returns a number of the standard normal distribution (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Returns the largest size of an advantage of `grpo` in a batch of this one group, with additive intermediate rewards on. */
function largestAdvantage(group: readonly { readonly reward: number; readonly failedTools?: number }[]): number {
  const episodes = group.map(({ reward, failedTools = 0 }, index): Episode =>
    toyEpisode(`rollout ${index}`, 'task', reward, [{ failedTools }]),
  );
  const { advantages } = buildBatch(episodes, {
    credit: 'identical',
    estimator: 'grpo',
    samples: 'transition',
    tokenWeighting: 'rollout',
    intermediate: { kind: 'additive' },
  });
  return [...advantages.values()].reduce((largest, own) => Math.max(largest, Math.abs(own[0]!)), 0);
}
