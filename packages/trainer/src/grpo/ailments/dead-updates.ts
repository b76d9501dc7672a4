import { historyFigures, type Ailment, type Finding } from '@agent-lightning/run';
import { findWorst, type GrpoLine, type PolicyHistory } from './each-policy.ts';

const { formatFigure, readNewest } = historyFigures;

/** Adam moves a weight by about the learning rate a step: below this, ten thousand steps stay below the rounding of bfloat16. */
const smallestRate = 1e-8;
const smallestNorm = 1e-9;

/** Finds policies that get a training signal and do not move. */
export const deadUpdates: Ailment<GrpoLine> = {
  code: 'dead-updates',
  detect(history) {
    const newest = readNewest(history);
    if (newest === undefined || newest.some(({ groupsUsed }) => groupsUsed === 0)) return undefined;
    return findWorst(history, (policy) => findNoGradient(policy) ?? findNoStep(policy));
  },
};

/** Finds passes whose gradient is 0 although groups have different rewards. */
function findNoGradient({ owner, history }: PolicyHistory): Finding | undefined {
  const newest = readNewest(history)?.filter(({ optimizerSteps }) => optimizerSteps > 0) ?? [];
  const norms = newest.flatMap(({ gradientNorm }) => gradientNorm ?? []);
  if (norms.length === 0 || norms.length < newest.length || Math.max(...norms) > smallestNorm) return undefined;
  const clipped = newest.at(-1)!.clipFraction ?? 0;
  return {
    size: 2,
    message: `the gradient${owner} has been 0 for ${norms.length} steps although groups have different rewards (${formatFigure(clipped * 100)} % of the tokens were clipped); widen clipLow, clipHigh or sequenceMask, and check that the backend trains the weights that it samples from`,
  };
}

/** Finds a learning rate with which nothing moves. */
function findNoStep({ owner, history }: PolicyHistory): Finding | undefined {
  const newest = readNewest(history)?.filter(({ optimizerSteps }) => optimizerSteps > 0) ?? [];
  const largest = Math.max(...newest.map(({ learningRate }) => learningRate));
  if (newest.length === 0 || largest > smallestRate) return undefined;
  return {
    size: 1,
    message: `the learning rate${owner} is ${formatFigure(largest)}, which moves a weight by about as much a step, too little to change an answer; usual rates are 1e-6 for all weights of a large model, 1e-5 to 1e-4 for LoRA and for small models`,
  };
}
