import { BackendError, TrainerError, type AlgorithmHost, type LightningError } from '@agent-lightning/core';
import type { GrpoState } from '../grpo-state.ts';
import type { TrainedMetrics } from '../grpo-metrics.ts';
import type { NoSignal } from './training-signal.ts';

type Limits = Pick<AlgorithmHost, 'noSignalPatience' | 'maxDivergence'>;

/** What the judgement of a step looks at. */
export interface JudgedFigures extends Pick<TrainedMetrics, 'klSamplerTrainer' | 'ratioMean' | 'ratioMax'> {
  readonly policies?: Readonly<Record<string, Pick<TrainedMetrics, 'klSamplerTrainer' | 'ratioMean' | 'ratioMax'>>>;
}

/** What a step means for the run. */
export interface StepJudgement {
  readonly warnings: readonly string[];
  readonly end?: 'converged' | LightningError;
}

/**
 * Decides whether a run goes on after a step: it ends when sampler and trainer are too far apart for too long, when nothing is
 * left to learn, or when nothing teaches anything.
 * @param state after the step
 */
export function judgeStep(
  figures: JudgedFigures,
  noSignal: NoSignal | undefined,
  state: GrpoState,
  limits: Limits,
): StepJudgement {
  const divergence = judgeDivergence(figures, state, limits);
  if (divergence.end !== undefined || noSignal === undefined) return divergence;
  const silence = `step ${state.step} taught nothing: ${noSignal.message}`;
  const end = judgeSilence(noSignal, state, limits);
  return { warnings: [...divergence.warnings, silence], ...(end === undefined ? {} : { end }) };
}

/** Tells whether sampler and trainer of any policy are further apart than the limit. */
export function isOffPolicy(figures: JudgedFigures, { maxDivergence }: Pick<Limits, 'maxDivergence'>): boolean {
  return (findFurthestOff(figures).figures.klSamplerTrainer ?? 0) > maxDivergence;
}

function judgeSilence(noSignal: NoSignal, state: GrpoState, { noSignalPatience }: Limits): StepJudgement['end'] {
  const { noSignalStreak, step, optimizerSteps, firstReward, lastReward } = state;
  if (noSignal.cause === 'stale') return undefined;
  if (noSignal.cause === 'outage') return judgeOutage(noSignal, state, noSignalPatience);
  const isHopeless = noSignal.cause !== 'zero-variance' && optimizerSteps === 0;
  if (!isHopeless && noSignalStreak < noSignalPatience) return undefined;
  const hasRisen = lastReward !== undefined && firstReward !== undefined && lastReward > firstReward;
  if (noSignal.cause === 'zero-variance' && optimizerSteps > 0 && hasRisen) return 'converged';
  return new TrainerError(
    `training stopped after step ${step}, with no signal for ${noSignalStreak} ${noSignalStreak === 1 ? 'step' : 'steps'}: ${noSignal.message}`,
    { code: 'no-signal' },
  );
}

/** Ends a run whose steps would all pass without a single rollout; it can go on once its model answers again. */
function judgeOutage(
  { message }: NoSignal,
  { step, outageStreak }: GrpoState,
  patience: number,
): BackendError | undefined {
  if (outageStreak < patience) return undefined;
  return new BackendError(
    `training stopped after step ${step}: for ${outageStreak} ${outageStreak === 1 ? 'step' : 'steps'} no rollout came through. ${message}, then resume the run`,
    { code: 'backend-failed', retryable: true },
  );
}

function judgeDivergence(figures: JudgedFigures, { step, offPolicyStreak }: GrpoState, limits: Limits): StepJudgement {
  if (offPolicyStreak === 0) return { warnings: [] };
  const furthest = findFurthestOff(figures);
  const { klSamplerTrainer, ratioMean, ratioMax } = furthest.figures;
  const what = `sampler and trainer${furthest.owner} disagree by ${format(klSamplerTrainer)} nats a token (limit ${limits.maxDivergence}), mean ratio ${format(ratioMean)}, largest ${format(ratioMax)}`;
  if (offPolicyStreak < limits.noSignalPatience) return { warnings: [`step ${step} was off-policy: ${what}`] };
  return {
    warnings: [],
    end: new TrainerError(
      `training stopped after step ${step}: for ${offPolicyStreak} ${offPolicyStreak === 1 ? 'step' : 'steps'} ${what}; lower maxStaleness or the learning rate. Where both are low, the two do not compute the same: check that they have the same weights, and that the sampler reports log-probabilities at temperature 1, of the distribution that it draws from. grpo({ loss: 'icepop' }) leaves such tokens out, and maxDivergence raises the limit`,
      { code: 'off-policy' },
    ),
  };
}

/** Finds the policy whose sampler and trainer are furthest apart: the step's mean would hide one with few tokens. */
function findFurthestOff(all: JudgedFigures): { readonly figures: JudgedFigures; readonly owner: string } {
  const each = Object.entries(all.policies ?? {}).map(([name, figures]) => ({ figures, owner: ` of "${name}"` }));
  const klOf = ({ figures }: { readonly figures: JudgedFigures }): number => figures.klSamplerTrainer ?? 0;
  return each.reduce((worst, other) => (klOf(other) > klOf(worst) ? other : worst), { figures: all, owner: '' });
}

function format(value: number | undefined): string {
  return value === undefined ? 'unknown' : value.toPrecision(3);
}
