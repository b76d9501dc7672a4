import { BackendError, TrainerError, type AlgorithmHost, type LightningError } from '@agent-lightning/core';
import type { GrpoState, SignalStreaks } from '../grpo-state.ts';
import type { TrainedMetrics } from '../grpo-metrics.ts';
import type { NoSignal } from './training-signal.ts';

type Limits = Pick<AlgorithmHost, 'noSignalPatience' | 'maxDivergence' | 'isControl'>;

/** The figures that the check of a step reads. */
export interface StepFigures extends Pick<TrainedMetrics, 'klSamplerTrainer' | 'ratioMean' | 'ratioMax'> {
  readonly policies?: Readonly<Record<string, Pick<TrainedMetrics, 'klSamplerTrainer' | 'ratioMean' | 'ratioMax'>>>;
}

/** The result of the check of a step: warnings, and whether the run ends. */
export interface StepCheck {
  readonly warnings: readonly string[];
  readonly end?: 'converged' | LightningError;
}

/**
 * Decides whether a run goes on after a step: it ends when sampler and trainer are too far apart for too long, when nothing is
 * left to learn, or when no step gives a training signal.
 * @param state after the step
 */
export function checkStep(
  figures: StepFigures,
  noSignal: NoSignal | undefined,
  state: GrpoState,
  limits: Limits,
): StepCheck {
  const divergence = checkDivergence(figures, state, limits);
  if (divergence.end !== undefined || noSignal === undefined) return divergence;
  const silence = `step ${state.step} taught nothing: ${noSignal.message}`;
  const end = checkSilence(noSignal, state, limits);
  return { warnings: [...divergence.warnings, silence], ...(end === undefined ? {} : { end }) };
}

/** Tells whether sampler and trainer of any policy are further apart than the limit. */
export function isOffPolicy(figures: StepFigures, { maxDivergence }: Pick<Limits, 'maxDivergence'>): boolean {
  return (findFurthestOff(figures).figures.klSamplerTrainer ?? 0) > maxDivergence;
}

/** Ends a run without a training signal: as converged, when rewards have risen or it is a control, which may lose them all; or with an error. */
export function checkSilence(
  noSignal: NoSignal,
  state: SignalStreaks,
  { noSignalPatience, isControl }: Pick<Limits, 'noSignalPatience' | 'isControl'>,
): StepCheck['end'] {
  const { noSignalStreak, step, optimizerSteps, firstReward, lastReward } = state;
  if (noSignal.cause === 'stale') return undefined;
  if (noSignal.cause === 'outage') return checkOutage(noSignal, state, noSignalPatience);
  const cannotRecover = noSignal.cause !== 'zero-variance' && optimizerSteps === 0;
  if (!cannotRecover && noSignalStreak < noSignalPatience) return undefined;
  const hasRisen = lastReward !== undefined && firstReward !== undefined && lastReward > firstReward;
  const isDone = isControl ? isAllAlike(noSignal) : noSignal.cause === 'zero-variance' && hasRisen;
  if (optimizerSteps > 0 && isDone) return 'converged';
  return new TrainerError(
    `training stopped after step ${step}, with no signal for ${noSignalStreak} ${noSignalStreak === 1 ? 'step' : 'steps'}: ${noSignal.message}`,
    { code: 'no-signal' },
  );
}

/** Tells whether nothing tells rollouts apart any more: all earn the same, or all fail. */
function isAllAlike({ cause }: NoSignal): boolean {
  return cause === 'zero-variance' || cause === 'all-failed';
}

/** Ends a run after too many steps without a successful rollout; it can be resumed once its model answers again. */
function checkOutage(
  { message }: NoSignal,
  { step, outageStreak }: SignalStreaks,
  mostSteps: number,
): BackendError | undefined {
  if (outageStreak < mostSteps) return undefined;
  return new BackendError(
    `training stopped after step ${step}: for ${outageStreak} ${outageStreak === 1 ? 'step' : 'steps'} no rollout came through. ${message}, then resume the run`,
    { code: 'backend-failed', retryable: true },
  );
}

function checkDivergence(
  figures: StepFigures,
  { step, offPolicyStreak }: GrpoState,
  limits: Omit<Limits, 'isControl'>,
): StepCheck {
  if (offPolicyStreak === 0) return { warnings: [] };
  const furthest = findFurthestOff(figures);
  const { klSamplerTrainer, ratioMean, ratioMax } = furthest.figures;
  const what = `sampler and trainer${furthest.owner} disagree by ${format(klSamplerTrainer)} nats a token (limit ${limits.maxDivergence}), mean ratio ${format(ratioMean)}, largest ${format(ratioMax)}`;
  if (offPolicyStreak < limits.noSignalPatience) return { warnings: [`step ${step} was off-policy: ${what}`] };
  return {
    warnings: [],
    end: new TrainerError(
      `training stopped after step ${step}: for ${offPolicyStreak} ${offPolicyStreak === 1 ? 'step' : 'steps'} ${what}; lower maxStaleness or the learning rate. Where both are low, the two do not compute the same: check that they have the same weights, and that the sampler reports log-probabilities at the temperature that it samples at, of the distribution that it draws from. grpo({ loss: 'icepop' }) leaves such tokens out, and maxDivergence raises the limit`,
      { code: 'off-policy' },
    ),
  };
}

/** Finds the policy whose sampler and trainer are furthest apart: the step's mean would hide one with few tokens. */
function findFurthestOff(all: StepFigures): { readonly figures: StepFigures; readonly owner: string } {
  const each = Object.entries(all.policies ?? {}).map(([name, figures]) => ({ figures, owner: ` of "${name}"` }));
  const klOf = ({ figures }: { readonly figures: StepFigures }): number => figures.klSamplerTrainer ?? 0;
  return each.reduce((worst, other) => (klOf(other) > klOf(worst) ? other : worst), { figures: all, owner: '' });
}

function format(value: number | undefined): string {
  return value === undefined ? 'unknown' : value.toPrecision(3);
}
