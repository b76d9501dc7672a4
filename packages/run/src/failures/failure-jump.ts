import { TrainerError, type Episode } from '@agent-lightning/core';
import { countFailures, failureCodeOf, type FailureCount } from './failure-counts.ts';

/** The share of the rollouts that failed, by code, over the steps so far: a mean in which newer steps weigh more. */
export interface FailureShares {
  /** The steps that the shares are of. */
  readonly steps: number;
  readonly byCode: Readonly<Record<string, number>>;
  /** The share of rollouts that failed in the first step, and in the newest one. */
  readonly first: number;
  readonly newest: number;
}

/** The weight of a new step in the mean. */
const newWeight = 0.3;
/** The steps after which a share is usual enough to be compared with. */
const stepsBefore = 3;
/** The growth of a share from one step to the next that a policy does not bring about by itself. */
const leastJump = 0.4;
/** The growth of the share of failures that is more than chance, for a run that would end as converged. */
const leastRise = 0.05;

/** Returns the shares after a step. */
export function advanceShares(before: FailureShares | undefined, episodes: readonly Episode[]): FailureShares {
  const now = sharesOf(episodes);
  const newest = Object.values(now).reduce((sum, share) => sum + share, 0);
  if (before === undefined) return { steps: 1, byCode: now, first: newest, newest };
  const codes = new Set([...Object.keys(before.byCode), ...Object.keys(now)]);
  const byCode = Object.fromEntries(
    [...codes].map((code) => [code, (1 - newWeight) * (before.byCode[code] ?? 0) + newWeight * (now[code] ?? 0)]),
  );
  return { steps: before.steps + 1, byCode, first: before.first, newest };
}

/**
 * Looks for a failure of unknown cause that suddenly came up in every group: whatever it is, it did not come from learning, and the
 * run must not learn from it before a person has said what it is. Returns the error that ends the run, or undefined.
 */
export function findFailureJump(
  step: number,
  before: FailureShares | undefined,
  episodes: readonly Episode[],
): TrainerError | undefined {
  if (before === undefined || before.steps < stepsBefore) return undefined;
  const jumped = countFailures(episodes).find(
    (failure) =>
      failure.kind === 'unknown' &&
      failure.share - (before.byCode[failure.code] ?? 0) >= leastJump &&
      isInEveryGroup(failure, episodes),
  );
  return jumped === undefined ? undefined : jumpError(step, jumped, before.byCode[jumped.code] ?? 0);
}

/** Returns the error for a run that would end as converged while more of its rollouts fail than at first; undefined when they do not. */
export function findRisenFailures(step: number, shares: FailureShares | undefined): TrainerError | undefined {
  if (shares === undefined || shares.newest - shares.first <= leastRise) return undefined;
  return new TrainerError(
    `training stopped after step ${step}: nothing is left to learn from the rollouts that count, and the share of those that failed rose from ${percent(shares.first)} in the first step to ${percent(shares.newest)}; this is no success. Look at the failures in the report, mend what causes them, and resume the run`,
    { code: 'no-signal' },
  );
}

function isInEveryGroup({ code }: FailureCount, episodes: readonly Episode[]): boolean {
  const groups = Map.groupBy(episodes, ({ rollout }) => rollout.groupId ?? rollout.rolloutId);
  return [...groups.values()].every((group) =>
    group.some(({ rollout }) => rollout.status !== 'succeeded' && failureCodeOf(rollout) === code),
  );
}

function jumpError(step: number, { code, count, share, example }: FailureCount, before: number): TrainerError {
  const rollouts = Math.round(count / share);
  return new TrainerError(
    `training stopped before it learned from step ${step}: ${count} of ${rollouts} rollouts, some in every group, failed with ${code} (${percent(share)}; before it was ${percent(before)}), such as ${example.rolloutId}: ${example.failure?.message ?? 'no message'}. Mend what causes it, and resume the run with failures: { ${JSON.stringify(code)}: 'world' }, which runs these rollouts again; or, where the agent causes it, with failures: { ${JSON.stringify(code)}: 'policy' }, which counts them`,
    { code: 'failures-rose' },
  );
}

function sharesOf(episodes: readonly Episode[]): Readonly<Record<string, number>> {
  const shares: Record<string, number> = {};
  for (const { code, share } of countFailures(episodes)) shares[code] = (shares[code] ?? 0) + share;
  return shares;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
