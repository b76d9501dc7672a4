import { historyFigures, type Ailment } from '@agent-lightning/run';
import { findWorst, type GrpoLine } from './each-policy.ts';

const { formatFigure, meanOf, readNewest } = historyFigures;

/** The largest divergence of sampler and trainer on the same weights, in nats a token, that arithmetic explains. */
const largestOnSameWeights = 0.01;
/** The largest one where the sampler may be some versions behind. */
const largestWhenStale = 0.3;

/** Finds samplers that do not compute what the trainer does: the ratio then corrects for a difference that no update made. */
export const samplerTrainerGap: Ailment<GrpoLine> = {
  code: 'sampler-trainer-gap',
  detect: (history) =>
    findWorst(history, ({ owner, history: own }) => {
      const newest = readNewest(own);
      const gap = newest && meanOf(newest, ({ klSamplerTrainer }) => klSamplerTrainer);
      if (newest === undefined || gap === undefined) return undefined;
      const isFresh = newest.every(({ stalenessMax = 0 }) => stalenessMax === 0);
      if (gap <= (isFresh ? largestOnSameWeights : largestWhenStale)) return undefined;
      return {
        size: gap,
        message: isFresh
          ? `sampler and trainer${owner} disagree by ${formatFigure(gap)} nats a token on the same weights (arithmetic explains ${largestOnSameWeights}); check that temperature, top-p and penalties are those that the trainer scores with, that the engine reports log-probabilities of what it really samples, and that it has the same weights and precision`
          : `sampler and trainer${owner} are ${formatFigure(gap)} nats a token apart, because calls are up to ${Math.max(...newest.map(({ stalenessMax = 0 }) => stalenessMax))} versions old; lower maxStaleness or the learning rate`,
      };
    }),
};
