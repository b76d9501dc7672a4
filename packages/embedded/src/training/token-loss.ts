/** Computes the losses of the contract for one token, and their derivatives. The contract is core's `TrainingBackend`. */
import type { Loss } from '@agent-lightning/core';

export interface TokenLoss {
  /** The token's term of the sum. */
  readonly value: number;
  /** Its derivative with respect to the token's log-probability. */
  readonly slope: number;
}

/** Bounds the log-ratio, in nats, as the contract says. */
const largestLogRatio = 20;

/** Returns the loss of a token whose log-probability is `now` and was `sampled`, both in nats, with its `advantage`. */
export function tokenLoss(loss: Loss, now: number, sampled: number, advantage: number): TokenLoss {
  if (loss.name === 'cross_entropy') return { value: -advantage * now, slope: -advantage };
  const logRatio = now - sampled;
  const ratio = Math.exp(Math.min(Math.max(logRatio, -largestLogRatio), largestLogRatio));
  const slopeOfGain = Math.abs(logRatio) > largestLogRatio ? 0 : -ratio * advantage;
  switch (loss.name) {
    case 'importance_sampling':
      return { value: -ratio * advantage, slope: slopeOfGain };
    case 'ppo': {
      const clipped = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh);
      const { dualClip = Infinity } = loss;
      if (advantage < 0 && Math.max(ratio, clipped) > dualClip) return { value: -dualClip * advantage, slope: 0 };
      const isClipped = clipped * advantage < ratio * advantage;
      return { value: -Math.min(ratio * advantage, clipped * advantage), slope: isClipped ? 0 : slopeOfGain };
    }
    case 'cispo': {
      const weight = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh) * advantage;
      return { value: -weight * now, slope: -weight };
    }
  }
}
