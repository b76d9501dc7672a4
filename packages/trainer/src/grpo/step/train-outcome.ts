import type { OffPolicyMetrics, TrainedMetrics } from '../grpo-metrics.ts';
import type { Pass } from './submit-pass.ts';
import type { PolicyPasses } from './train-on-batch.ts';

/** The summary of a step's optimizer steps, over one policy or over all. */
export interface TrainOutcome extends Omit<TrainedMetrics, keyof OffPolicyMetrics> {
  readonly offPolicy?: OffPolicyMetrics;
}

/** Sums up what was trained: means are over tokens, the loss's over passes, norms and ratios are the largest. */
export function summarisePasses(trained: readonly PolicyPasses[]): TrainOutcome {
  const passes = trained.flatMap((each) => each.passes);
  const tokensTrained = tokensOf(passes);
  const learningRate = Math.max(...trained.map((each) => each.learningRate));
  const klBase = meanOver(
    trained.filter((each) => each.klBase !== undefined && each.passes.length > 0),
    (each) => tokensOf(each.passes),
    (each) => each.klBase!,
  );
  const kl = klBase === undefined ? {} : { klBase };
  if (passes.length === 0) return { optimizerSteps: 0, passes: 0, tokensTrained, learningRate };
  const overTokens = (of: readonly Pass[], valueOf: (pass: Pass) => number): number =>
    meanOver(of, (pass) => pass.drift.trainedTokens, valueOf) ?? 0;
  // Before a policy's first update of the step, sampler and trainer differ only by versions and arithmetic.
  const firsts = trained.flatMap((each) => each.passes.slice(0, 1));
  return {
    optimizerSteps: passes.length,
    passes: Math.max(...trained.map((each) => each.passesOverBatch)),
    tokensTrained,
    loss: passes.reduce((sum, pass) => sum + pass.loss, 0) / passes.length,
    ...(passes[0]!.valueLoss === undefined
      ? {}
      : { valueLoss: passes.reduce((sum, pass) => sum + (pass.valueLoss ?? 0), 0) / passes.length }),
    ...(passes[0]!.entropy === undefined ? {} : { entropy: overTokens(passes, (pass) => pass.entropy ?? 0) }),
    ...(passes[0]!.gradientNorm === undefined
      ? {}
      : { gradientNorm: Math.max(...passes.map((pass) => pass.gradientNorm ?? 0)) }),
    offPolicy: {
      ratioMean: overTokens(passes, (pass) => pass.drift.meanRatio),
      ratioMax: Math.max(...passes.map((pass) => pass.drift.maxRatio)),
      clipFraction: overTokens(passes, (pass) => pass.clippedTokens / Math.max(pass.drift.trainedTokens, 1)),
      effectiveSampleShare: overTokens(passes, (pass) => pass.drift.effectiveSampleShare),
      klSamplerTrainer: overTokens(firsts, (pass) => pass.drift.klK3),
      klSamplerTrainerK1: overTokens(firsts, (pass) => pass.drift.klK1),
    },
    learningRate,
    ...summariseSizes(trained),
    ...kl,
  };
}

/** Returns the sizes of the update that went furthest for its target, which the mean over policies would hide. */
function summariseSizes(
  trained: readonly PolicyPasses[],
): Pick<TrainOutcome, 'movement' | 'movementTarget' | 'signalRatio'> {
  const sizes = trained.flatMap(({ sized }) => sized ?? []);
  if (sizes.length === 0) return {};
  const { movement, target, signalRatio } = sizes.reduce((furthest, other) =>
    other.movement / other.target > furthest.movement / furthest.target ? other : furthest,
  );
  return { movement, movementTarget: target, ...(signalRatio === undefined ? {} : { signalRatio }) };
}

function tokensOf(passes: readonly Pass[]): number {
  return passes.reduce((sum, pass) => sum + pass.drift.trainedTokens, 0);
}

function meanOver<Item>(
  items: readonly Item[],
  weightOf: (item: Item) => number,
  valueOf: (item: Item) => number,
): number | undefined {
  const total = items.reduce((sum, item) => sum + weightOf(item), 0);
  return total === 0 ? undefined : items.reduce((sum, item) => sum + valueOf(item) * weightOf(item), 0) / total;
}
