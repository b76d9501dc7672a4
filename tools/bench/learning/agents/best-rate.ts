import type { JsonValue } from '@agent-lightning/core';
import type { SyntheticAgent } from './synthetic-agent.ts';
import { trainSynthetic, type SyntheticTraining } from './train-synthetic.ts';

/** The runs of one way to train, one for each seed, at one learning rate. */
export interface RateRuns {
  readonly learningRate: number | 'auto';
  /** The training rollouts after which a run ended without. */
  readonly mostRollouts: number;
  /** Training rollouts to the target by seed; undefined where a run did not arrive. */
  readonly rollouts: readonly (number | undefined)[];
  /** Infinity where half of the runs did not arrive. */
  readonly median: number;
}

/**
 * Trains an agent in one way at each of several learning rates; returns the runs of all rates, those with the smallest median first. After the first rate,
 * runs end where they are slower than the best median so far, which leaves the smallest median as it is.
 */
export async function searchRate(
  agent: SyntheticAgent,
  seeds: readonly number[],
  rates: readonly (number | 'auto')[],
  training: Omit<SyntheticTraining, 'seed' | 'learningRate'>,
): Promise<readonly [RateRuns, ...RateRuns[]]> {
  const all: RateRuns[] = [];
  for (const learningRate of rates) {
    const mostRollouts = Math.min(training.mostRollouts, ...all.map(({ median }) => median));
    const rollouts: (number | undefined)[] = [];
    for (const seed of seeds)
      rollouts.push(await trainSynthetic(agent, { ...training, seed, learningRate, mostRollouts }));
    const runs = { learningRate, mostRollouts, rollouts, median: medianOf(rollouts) };
    all.push(runs);
    console.log(agent.name, JSON.stringify(toJson([runs])));
  }
  const [best, ...others] = all.toSorted((a, b) => (a.median === b.median ? 0 : a.median - b.median));
  if (best === undefined) throw new RangeError('searchRate was given no learning rate; give at least one');
  return [best, ...others];
}

/** Returns the median of counts, in which undefined is more than any number. */
export function medianOf(counts: readonly (number | undefined)[]): number {
  const sorted = counts.map((count) => count ?? Infinity).toSorted((a, b) => (a === b ? 0 : a - b));
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

/** Returns the runs as JSON, in which null stands for a run that did not arrive. */
export function toJson(runs: readonly RateRuns[]): JsonValue {
  return runs.map(({ learningRate, mostRollouts, rollouts, median }) => ({
    learningRate,
    mostRollouts,
    median: Number.isFinite(median) ? median : null,
    rollouts: rollouts.map((count) => count ?? null),
  }));
}
