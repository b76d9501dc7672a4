/**
 * Calls weighed by how much their agent decides (`weighNodes`) against the paper's credit, on an agent of twelve calls of which two decide. All calls share
 * the parameters of one network, as those of a real agent do, and updates size themselves, as they do by default.
 */
import type { JsonValue } from '@agent-lightning/core';
import { searchRate, toJson, type RateRuns } from '../agents/best-rate.ts';
import { shortChoiceChain } from '../agents/synthetic-agent.ts';
import type { LearningCase } from '../learning-case.ts';

const seeds = Array.from({ length: 20 }, (_, seed) => seed);
const target = 0.9;
const flipShare = 0.2;
/** The share of the rollouts of `identical` that `weighNodes` may need. */
const largestFactor = { clean: 0.85, flipped: 0.7 };
const mostRollouts = { clean: 8_000, flipped: 12_000 };

export const nodes: LearningCase = {
  name: 'nodes',
  summary: `rollouts to ${target} of twelve calls of which two decide: weighNodes against identical, with true rewards and with ${100 * flipShare} % of them flipped`,
  run: async () => {
    const clean = await compareCredit(mostRollouts.clean, (reward) => reward);
    const flipped = await compareCredit(mostRollouts.flipped, (reward, random) =>
      random() < flipShare ? 1 - reward : reward,
    );
    return {
      ok: clean.factor <= largestFactor.clean && flipped.factor <= largestFactor.flipped,
      figures: {
        seeds,
        target,
        flipShare,
        largestFactor,
        mostRollouts,
        clean: clean.figures,
        flipped: flipped.figures,
      },
    };
  },
};

/** The median of `weighNodes` over that of `identical`; Infinity where `weighNodes` did not arrive. */
interface Comparison {
  readonly factor: number;
  readonly figures: JsonValue;
}

async function compareCredit(
  limit: number,
  judge: (reward: number, random: () => number) => number,
): Promise<Comparison> {
  const measure = (weighNodes: boolean): Promise<readonly [RateRuns, ...RateRuns[]]> =>
    searchRate(shortChoiceChain, seeds, ['auto'], { target, mostRollouts: limit, judge, options: { weighNodes } });
  const [identical, weighed] = [await measure(false), await measure(true)];
  // Where `identical` did not arrive, it needs more than the limit.
  const factor = weighed[0].median / Math.min(identical[0].median, limit);
  return {
    factor,
    figures: {
      factor: Number.isFinite(factor) ? factor : null,
      identical: toJson(identical),
      weighNodes: toJson(weighed),
    },
  };
}
