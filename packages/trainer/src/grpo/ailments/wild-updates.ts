import { historyFigures, type Ailment, type Finding } from '@agent-lightning/run';
import { findWorst, type GrpoLine, type PolicyHistory } from './each-policy.ts';

const { compareRewardToBest, formatFigure } = historyFigures;

/** A gradient is wild when it is so many times the median of the steps before. */
const gradientGrowth = 30;
const leastSteps = 5;
/** The change of the entropy in one step that is told: by this factor, and by so many nats. */
const entropyFactor = 3;
const leastEntropyChange = 0.1;
/** The share of tokens without gradient, because they moved out of the clip range within a step, that is told. */
const largestClipFraction = 0.5;

/** Finds updates that change the policy so much that what it had learned is lost. */
export const wildUpdates: Ailment<GrpoLine> = {
  code: 'wild-updates',
  detect(history) {
    return findFallenReward(history) ?? findWorst(history, (policy) => findJump(policy));
  },
};

/**
 * Finds a training reward that was better before. It also falls where tasks that are solved come less often; so where held-out reward is known,
 * that must have fallen, too.
 */
function findFallenReward(history: Parameters<typeof wildUpdates.detect>[0]): Finding | undefined {
  const fall = compareRewardToBest(history);
  const heldOut = history.heldOut.map(({ reward }) => reward);
  if (fall === undefined || (heldOut.length > 1 && heldOut.at(-1)! >= Math.max(...heldOut))) return undefined;
  return {
    size: (fall.from - fall.to) / Math.max(fall.error, 1e-9),
    message: `training reward fell from ${formatFigure(fall.from)} (steps ${fall.steps}) to ${formatFigure(fall.to)}; ${remedy}`,
  };
}

function findJump({ owner, history }: PolicyHistory): Finding | undefined {
  const { recent } = history;
  const now = recent.at(-1);
  const before = recent.at(-2);
  if (now === undefined) return undefined;
  const { clipFraction = 0, gradientNorm } = now;
  if (clipFraction >= largestClipFraction)
    return describe(
      clipFraction,
      `${formatFigure(clipFraction * 100)} % of the tokens${owner} were clipped in one step`,
    );
  const norms = recent.slice(0, -1).flatMap((line) => line.gradientNorm ?? []);
  const usual = findMedian(norms);
  if (norms.length >= leastSteps && gradientNorm !== undefined && gradientNorm > gradientGrowth * usual)
    return describe(
      gradientNorm / Math.max(usual, 1e-9),
      `the gradient norm${owner} is ${formatFigure(gradientNorm)}, and ${formatFigure(usual)} was usual`,
    );
  const [from, to] = [before?.entropy, now.entropy];
  if (from === undefined || to === undefined || Math.abs(to - from) < leastEntropyChange) return undefined;
  const factor = Math.max(to, from) / Math.max(Math.min(to, from), 1e-9);
  return factor < entropyFactor
    ? undefined
    : describe(
        Math.min(factor, 1e6),
        `the entropy${owner} went from ${formatFigure(from)} to ${formatFigure(to)} nats a token in one step`,
      );
}

const remedy =
  'most often the updates are too large: with a learningRate of your own, leave it out, so that updates size themselves, or lower it to a third or less; with auto, take more tasks a step; keep maxGradientNorm at 1, and resume from the last good checkpoint';

function describe(size: number, what: string): Finding {
  return { size, message: `${what}; ${remedy}` };
}

function findMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
