/** The losses of the contract for one token, and their derivatives. @source packages/core/src/backend.ts */
import type { Loss } from '@agent-lightning/core';

export interface TokenLoss {
  /** The token's term of the sum. */
  readonly value: number;
  /** Its derivative with respect to the token's log-probability. */
  readonly slope: number;
}

/** The loss of a token with log-probability `now` in nats, `sampled` when it was sampled, and its `advantage`. */
export function tokenLoss(loss: Loss, now: number, sampled: number, advantage: number): TokenLoss {
  if (loss.name === 'cross_entropy') return { value: -advantage * now, slope: -advantage };
  const ratio = Math.exp(now - sampled);
  switch (loss.name) {
    case 'importance_sampling':
      return { value: -ratio * advantage, slope: -ratio * advantage };
    case 'ppo': {
      const clipped = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh);
      const isClipped = clipped * advantage < ratio * advantage;
      return { value: -Math.min(ratio * advantage, clipped * advantage), slope: isClipped ? 0 : -ratio * advantage };
    }
    case 'cispo': {
      const weight = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh) * advantage;
      return { value: -weight * now, slope: -weight };
    }
  }
}
