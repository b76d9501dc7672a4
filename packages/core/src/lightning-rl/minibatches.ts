import { ConfigurationError } from '../errors.ts';
import type { BatchSample, LightningBatch, Minibatch } from './batch.ts';
import { weighSamples } from './loss-weights.ts';

/**
 * Splits a batch for several optimizer steps. Groups stay whole and are dealt at random, as evenly by rollouts as whole
 * groups allow; each minibatch's weights are those of its own rollouts, so every step sees a full-sized mean.
 * @param count at most this many minibatches; fewer when there are fewer groups, none when the batch is empty
 * @param random uniform in [0, 1)
 * @throws {ConfigurationError} `option-invalid` when `count` is not a whole number from 1
 */
export function splitMinibatches(
  batch: Pick<LightningBatch, 'samples' | 'tokenWeighting'>,
  count: number,
  random: () => number,
): readonly Minibatch[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new ConfigurationError(`the number of minibatches is ${count}; give a whole number from 1`, {
      code: 'option-invalid',
    });
  }
  const groups = shuffled([...Map.groupBy(batch.samples, (sample) => sample.groupId).values()], random)
    .map((samples) => ({ samples, rolloutCount: countRollouts(samples) }))
    .toSorted((a, b) => b.rolloutCount - a.rolloutCount);
  const bins = Array.from({ length: Math.min(count, groups.length) }, () => ({
    samples: [] as BatchSample[],
    rolloutCount: 0,
  }));
  for (const group of groups) {
    const emptiest = bins.reduce((best, bin) => (bin.rolloutCount < best.rolloutCount ? bin : best));
    for (const sample of group.samples) emptiest.samples.push(sample);
    emptiest.rolloutCount += group.rolloutCount;
  }
  return bins.map(({ samples, rolloutCount }) => ({
    samples: weighSamples(samples, batch.tokenWeighting),
    rolloutCount,
    groupIds: [...new Set(samples.map((sample) => sample.groupId))],
  }));
}

/** Returns a shuffled copy (Fisher–Yates). */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}

function countRollouts(samples: readonly BatchSample[]): number {
  return new Set(samples.map((sample) => sample.rolloutId)).size;
}
