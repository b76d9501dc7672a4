import type { Episode, Rollout } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countByKind, countFailures, countTurnLimits, describeFailure } from './failure-counts.ts';
import { FailureScoring } from './failure-scoring.ts';

type Call = Episode['transitions'][number];
const call = { reward: 5, signals: [{ type: 'tool_error', name: 'sql', spanId: 's' }] } as unknown as Call;

function succeeded(reward: number | undefined, callReward?: number): Episode {
  return {
    rollout: { rolloutId: 'ok', status: 'succeeded', timeouts: {} } as Rollout,
    transitions: callReward === undefined ? [] : [{ ...call, reward: callReward }],
    untrainable: [],
    reward,
    rewards: reward === undefined ? {} : { primary: reward },
  };
}

function failed(code: string, failureKind: NonNullable<Episode['failureKind']>, pace?: Episode['pace']): Episode {
  return {
    ...succeeded(100),
    rollout: {
      rolloutId: 'bad',
      status: 'failed',
      failure: { code, message: 'boom' },
      timeouts: { startToFinishMs: 10_000 },
    } as Rollout,
    failureKind,
    transitions: [call],
    untrainedReward: 7,
    ...(pace === undefined ? {} : { pace }),
  };
}

describe('the scoring of failures', () => {
  it('counts the policy’s and the unknown with the failure reward and nothing else, and leaves out the world’s', () => {
    const [ok, policy, unknown, world] = new FailureScoring().score([
      succeeded(0.5),
      failed('GraphRecursionError', 'policy'),
      failed('agent-failed', 'unknown'),
      failed('ECONNREFUSED', 'world'),
    ]);
    expect(ok).toEqual(succeeded(0.5));
    for (const episode of [policy, unknown])
      expect(episode).toMatchObject({
        reward: 0,
        rewards: {},
        transitions: [{ reward: undefined, signals: call.signals }],
      });
    expect(world).toMatchObject({ reward: undefined, rewards: {}, transitions: [{ reward: undefined, signals: [] }] });
    for (const episode of [policy, unknown, world]) expect(episode!.untrainedReward).toBeUndefined();
  });

  it('has by default the lower of 0 and the lowest return of a success so far, the step’s own among them', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.option(fc.integer(), { nil: undefined }))), (steps) => {
        const scoring = new FailureScoring();
        let lowest = 0;
        for (const rewards of steps) {
          const scored = scoring.score([failed('X', 'unknown'), ...rewards.map((reward) => succeeded(reward))]);
          lowest = Math.min(lowest, ...rewards.filter((reward) => reward !== undefined));
          expect(scored[0]!.reward).toBe(lowest);
        }
        const resumed = new FailureScoring();
        resumed.resume(scoring.lowestReturn);
        expect(resumed.failureReward).toBe(scoring.failureReward);
      }),
    );
  });

  it('counts the rewards of calls into a return', () => {
    const scoring = new FailureScoring();
    scoring.score([succeeded(1, -3)]);
    expect(scoring.failureReward).toBe(-2);
  });

  it('complains of a failure reward above what a success earned', () => {
    const scoring = new FailureScoring({ failureReward: 0.5 });
    expect(scoring.score([failed('X', 'unknown'), succeeded(0.5)])[0]!.reward).toBe(0.5);
    expect(scoring.complaint).toBeUndefined();
    scoring.score([succeeded(0.25)]);
    expect(scoring.complaint).toMatch(/failureReward is 0\.5, and a rollout that succeeded earned 0\.25/);
    const byDefault = new FailureScoring();
    byDefault.score([succeeded(-1)]);
    expect(byDefault.complaint).toBeUndefined();
  });

  it('sorts a time-out by the pace of the others', () => {
    const others = [80, 100, 120].map((tokensPerSecond) => ({
      ...succeeded(1),
      pace: { tokensPerSecond, seconds: 1 },
    }));
    const kindAt = (tokensPerSecond: number, seconds: number, scoring = new FailureScoring()): unknown =>
      scoring.score([...others, failed('timed-out', 'unknown', { tokensPerSecond, seconds })])[3]!.failureKind;
    expect(kindAt(60, 9)).toBe('policy');
    expect(kindAt(40, 9)).toBe('world');
    expect(kindAt(60, 4)).toBe('unknown');
    expect(kindAt(60, 4, new FailureScoring({ sorting: { 'timed-out': 'world' } }))).toBe('unknown'); // sorted before, by its code
  });
});

describe('the count of failures', () => {
  const episodes = [
    succeeded(1),
    failed('PaymentError', 'unknown'),
    failed('PaymentError', 'unknown'),
    failed('MaxTurnsExceededError', 'policy'),
  ];

  it('is by code and kind, with the share of all rollouts', () => {
    expect(countFailures(episodes)).toMatchObject([
      { code: 'PaymentError', kind: 'unknown', count: 2, share: 0.5 },
      { code: 'MaxTurnsExceededError', kind: 'policy', count: 1, share: 0.25 },
    ]);
    expect(countByKind(episodes)).toEqual({ policy: 1, world: 0, unknown: 2 });
    const atStepLimit = { ...succeeded(1), transitions: [{ ...call, finishReason: 'tool_calls' }] };
    expect(countTurnLimits([...episodes, atStepLimit])).toBe(2);
  });

  it('is told with what follows from it, and the option that sorts it', () => {
    const [unknown, policy] = countFailures(episodes).map((failure) => describeFailure(failure, -1));
    expect(unknown).toBe(
      '2 of 4 rollouts (50 %) failed with PaymentError, such as bad: boom. Who causes this is not known, so they count with reward -1; where it is a service that was away, say failures: { "PaymentError": \'world\' }, and they are tried again and left out',
    );
    const [world] = countFailures([failed('agent-failed', 'world')]).map((failure) => describeFailure(failure, -1));
    expect(world).toMatch(/so they are tried again where their code says so, and then left out$/); // this code does not: its trace showed an outage
    expect(policy).toMatch(/The policy causes this, so they count with reward -1$/);
  });
});
