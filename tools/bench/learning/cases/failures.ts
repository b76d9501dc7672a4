import { trainRiskyAgent, type RiskyResult, type RiskyRun } from '../agents/risky-agent.ts';
import type { CaseResult, LearningCase } from '../learning-case.ts';

const steps = 40;
const seeds = [0, 1, 2, 3, 4];
const estimators = ['grpo', 'dr_grpo'] as const;
const outageShare = 0.3;
/** The least expected reward of a trained agent, of 0.5 for one that is always safe and 0.3 at the start. */
const leastWorth = 0.44;
/**
 * The most by which failures of the world may change the worth: the whole interval of the difference must lie within. Runs that have all learned
 * differ by thousandths, so an interval that must hold 0 would fail for a difference that means nothing.
 */
const largestDifference = 0.02;
/** The quantile of Student's t for a two-sided interval of 95 % over 10 pairs. */
const studentT = 2.262;

/** The agent whose risky answers fail nine times of ten: it must learn to avoid them, and failures of the world must change nothing. */
export const failures: LearningCase = {
  name: 'failures',
  summary: 'an agent whose risky half of answers fails nine times of ten does not learn to fail',
  run,
};

async function run(): Promise<CaseResult> {
  const plain = await trainAll({ failure: 'plain', outages: 0 });
  const recursion = await trainAll({ failure: 'recursion', outages: 0 });
  const withOutages = await trainAll({ failure: 'plain', outages: outageShare });
  const all = [...plain, ...recursion, ...withOutages];
  const difference = compare(plain, withOutages);
  const fallen = all.filter(({ heldOutBefore, heldOutAfter }) => heldOutAfter < heldOutBefore).length;
  const lowest = Math.min(...all.map(({ worth }) => worth));
  return {
    ok: fallen === 0 && lowest >= leastWorth && Math.abs(difference.mean) + difference.halfWidth <= largestDifference,
    figures: {
      steps,
      seeds,
      estimators,
      fallen,
      lowestWorth: lowest,
      leastWorth,
      outageShare,
      difference: difference.mean,
      differenceInterval: difference.halfWidth,
      largestDifference,
      plain: plain.map(shorten),
      recursion: recursion.map(shorten),
      withOutages: withOutages.map(shorten),
    },
  };
}

async function trainAll(options: Pick<RiskyRun, 'failure' | 'outages'>): Promise<readonly RiskyResult[]> {
  const results: RiskyResult[] = [];
  for (const estimator of estimators)
    for (const seed of seeds) {
      const result = await trainRiskyAgent({ ...options, estimator, seed, steps });
      console.error(`${options.failure}, outages ${options.outages}, ${estimator}, seed ${seed}: ${shorten(result)}`);
      results.push(result);
    }
  return results;
}

/** Compares the runs with outages with those without, pair by pair: the mean difference of their worth, and the half width of its 95 % interval. */
function compare(
  without: readonly RiskyResult[],
  withOutages: readonly RiskyResult[],
): { readonly mean: number; readonly halfWidth: number } {
  const differences = without.map(({ worth }, index) => withOutages[index]!.worth - worth);
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const halfWidth = studentT * Math.sqrt(squares / (differences.length - 1) / differences.length);
  return { mean, halfWidth };
}

function shorten({ heldOutBefore, heldOutAfter, worth, stopReason }: RiskyResult): string {
  return `held-out ${heldOutBefore.toFixed(2)} → ${heldOutAfter.toFixed(2)}, worth ${worth.toFixed(3)}, ${stopReason}`;
}
