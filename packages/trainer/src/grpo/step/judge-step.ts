import { BackendError, TrainerError } from '@agent-lightning/core';
import type { StepMetrics, TrainedMetrics, StepVerdict, TrainerState } from '@agent-lightning/run';
import type { ResolvedTrainerOptions } from '../../trainer-options.ts';
import type { NoSignal } from './training-signal.ts';

type Limits = Pick<ResolvedTrainerOptions, 'noSignalPatience' | 'maxDivergence'>;

/** What of a step counts towards the end of the run. */
export function verdictOf(
  metrics: StepMetrics,
  noSignal: NoSignal | undefined,
  { maxDivergence }: Limits,
): Omit<StepVerdict, 'policyVersions'> {
  return {
    isOffPolicy: (furthestOff(metrics).figures.klSamplerTrainer ?? 0) > maxDivergence,
    isSilent: noSignal !== undefined && noSignal.cause !== 'stale',
    isOutage: noSignal?.cause === 'outage',
    isLost: noSignal?.cause === 'outage' && (metrics.succeeded === 0 || metrics.transitions === 0),
  };
}

/**
 * Decides what a step without signal means: a warning, a solved task, or the end.
 * @param state after the step
 * @throws {TrainerError} `no-signal`
 * @throws {BackendError} `backend-failed`, retryable, after too many steps that an outage took whole
 */
export function judgeSilence(
  noSignal: NoSignal,
  state: TrainerState,
  { noSignalPatience }: Limits,
): 'go-on' | 'converged' {
  const { noSignalStreak, step, totals, firstReward, curve } = state;
  if (noSignal.cause === 'stale') return 'go-on';
  if (noSignal.cause === 'outage') return judgeOutage(noSignal, state, noSignalPatience);
  const isHopeless = noSignal.cause !== 'zero-variance' && totals.optimizerSteps === 0;
  if (!isHopeless && noSignalStreak < noSignalPatience) return 'go-on';
  const reward = curve.at(-1)?.reward;
  const hasRisen = reward !== undefined && firstReward !== undefined && reward > firstReward;
  if (noSignal.cause === 'zero-variance' && totals.optimizerSteps > 0 && hasRisen) return 'converged';
  throw new TrainerError(
    `training stopped after step ${step}, with no signal for ${noSignalStreak} ${noSignalStreak === 1 ? 'step' : 'steps'}: ${noSignal.message}`,
    { code: 'no-signal' },
  );
}

/** Ends a run whose steps would all pass without a single rollout; it can go on once its model answers again. */
function judgeOutage({ message }: NoSignal, { step, outageStreak = 0 }: TrainerState, patience: number): 'go-on' {
  if (outageStreak < patience) return 'go-on';
  throw new BackendError(
    `training stopped after step ${step}: for ${outageStreak} ${outageStreak === 1 ? 'step' : 'steps'} no rollout came through. ${message}, then resume the run`,
    { code: 'backend-failed', retryable: true },
  );
}

/** What an off-policy step says to whoever watches; undefined for one that is not. @throws {TrainerError} `off-policy` after too many */
export function judgeDivergence(metrics: StepMetrics, state: TrainerState, limits: Limits): string | undefined {
  const { offPolicyStreak } = state;
  if (offPolicyStreak === 0) return undefined;
  const { figures, owner } = furthestOff(metrics);
  const what = `sampler and trainer${owner} disagree by ${format(figures.klSamplerTrainer)} nats a token (limit ${limits.maxDivergence}), mean ratio ${format(figures.ratioMean)}, largest ${format(figures.ratioMax)}`;
  if (offPolicyStreak < limits.noSignalPatience) return `step ${state.step} was off-policy: ${what}`;
  throw new TrainerError(
    `training stopped after step ${state.step}: for ${offPolicyStreak} ${offPolicyStreak === 1 ? 'step' : 'steps'} ${what}; lower maxStaleness or the learning rate. Where both are low, the two do not compute the same: check that they have the same weights, and that the sampler reports log-probabilities at temperature 1, of the distribution that it draws from. grpo({ loss: 'icepop' }) leaves such tokens out, and maxDivergence raises the limit`,
    { code: 'off-policy' },
  );
}

/** Of several policies the one whose sampler and trainer are furthest apart: the step's mean would hide one with few tokens. */
function furthestOff(metrics: StepMetrics): { readonly figures: TrainedMetrics; readonly owner: string } {
  const each = Object.entries(metrics.policies ?? {}).map(([name, figures]) => ({ figures, owner: ` of "${name}"` }));
  const klOf = ({ figures }: { readonly figures: TrainedMetrics }): number => figures.klSamplerTrainer ?? 0;
  return each.reduce((worst, other) => (klOf(other) > klOf(worst) ? other : worst), { figures: metrics, owner: '' });
}

function format(value: number | undefined): string {
  return value === undefined ? 'unknown' : value.toPrecision(3);
}
