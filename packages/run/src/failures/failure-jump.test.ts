import type { Episode, Rollout } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { advanceShares, findFailureJump, findRisenFailures, type FailureShares } from './failure-jump.ts';

/** Four groups of four; `failing` of each group fail with `code`. */
function stepOf(
  failing: readonly number[],
  code = 'PaymentError',
  failureKind: Episode['failureKind'] = 'unknown',
): Episode[] {
  return failing.flatMap((count, group) =>
    Array.from({ length: 4 }, (_, sample): Episode => {
      const isFailed = sample < count;
      const rollout = {
        rolloutId: `g${group}.k${sample}`,
        groupId: `g${group}`,
        status: isFailed ? 'failed' : 'succeeded',
        ...(isFailed && { failure: { code, message: 'declined' } }),
      } as Rollout;
      const kind = isFailed && failureKind !== undefined ? { failureKind } : {};
      return { rollout, transitions: [], untrainable: [], reward: 0, rewards: {}, ...kind };
    }),
  );
}

function sharesAfter(...steps: readonly Episode[][]): FailureShares | undefined {
  return steps.reduce<FailureShares | undefined>((shares, step) => advanceShares(shares, step), undefined);
}

const quiet = stepOf([0, 0, 1, 0]);

describe('a sudden jump of failures', () => {
  const before = sharesAfter(quiet, quiet, quiet);

  it('stops the run with the choice spelled out, when it is of unknown cause and in every group', () => {
    expect(findFailureJump(4, before, stepOf([2, 2, 2, 4]))).toMatchObject({
      code: 'failures-rose',
      message: expect.stringMatching(
        /^training stopped before it learned from step 4: 10 of 16 rollouts, some in every group, failed with PaymentError \(63 %; before it was 6 %\), such as g0\.k0: declined\. .*failures: \{ "PaymentError": 'world' \}.*failures: \{ "PaymentError": 'policy' \}/,
      ),
    });
  });

  it.each([
    ['in one group only', stepOf([4, 4, 4, 0])],
    ['small', stepOf([1, 1, 1, 1])],
    ['the policy’s', stepOf([4, 4, 4, 4], 'GraphRecursionError', 'policy')],
    ['the world’s', stepOf([4, 4, 4, 4], 'ECONNREFUSED', 'world')],
  ] as const)('goes on when it is %s', (_, episodes) => {
    expect(findFailureJump(4, before, episodes)).toBeUndefined();
  });

  it('is none in the first steps, nor when failures were as many before', () => {
    expect(findFailureJump(1, undefined, stepOf([4, 4, 4, 4]))).toBeUndefined();
    expect(findFailureJump(3, sharesAfter(quiet, quiet), stepOf([4, 4, 4, 4]))).toBeUndefined();
    const many = stepOf([2, 2, 2, 2]);
    expect(findFailureJump(4, sharesAfter(many, many, many), stepOf([3, 3, 3, 3]))).toBeUndefined();
  });
});

describe('a run that would end as converged', () => {
  it('does not, while more rollouts fail than at first', () => {
    const shares = sharesAfter(stepOf([1, 0, 0, 0]), quiet, stepOf([2, 2, 2, 2], 'ECONNREFUSED', 'world'));
    expect(findRisenFailures(3, shares)).toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining('rose from 6 % in the first step to 50 %'),
    });
    expect(findRisenFailures(3, sharesAfter(stepOf([2, 2, 2, 2]), quiet))).toBeUndefined();
    expect(findRisenFailures(3, undefined)).toBeUndefined();
  });
});
