import { historyFigures, type Ailment } from '@agent-lightning/run';
import type { GrpoLine } from './each-policy.ts';

const { formatFigure } = historyFigures;

/** The share of the tokens that are read again from which on it is told. */
const leastShare = 0.1;

/** Finds conversations that fall apart into several training samples although each call continues the one before. */
export const splitSamples: Ailment<GrpoLine> = {
  code: 'split-samples',
  detect({ recent }) {
    const line = recent.at(-1);
    if (line?.splitCalls === undefined || line.tokensProcessed === 0) return undefined;
    const share = line.splitCalls.repeatedTokens / line.tokensProcessed;
    if (share < leastShare) return undefined;
    const { calls, repeatedTokens } = line.splitCalls;
    return {
      size: share,
      message: `${calls} model calls continue an earlier call and begin a training sample of their own all the same, so ${formatFigure(share * 100)} % of the tokens that are trained through (${repeatedTokens} of ${line.tokensProcessed}) are read again, and the cost grows with the square of the turns; the chat template, or the agent, writes an earlier reply in another way than it was sampled, most often without its thoughts: use a template that keeps them, or turn thinking off. What is learned is the same`,
    };
  },
};
