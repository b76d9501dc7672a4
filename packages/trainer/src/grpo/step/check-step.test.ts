import type { Transition } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { advanceGrpoState, initialGrpoState, type GrpoState } from '../grpo-state.ts';
import { checkStep, isOffPolicy, type StepFigures } from './check-step.ts';

const limits = { noSignalPatience: 2, maxDivergence: 1, isControl: false };
const policy = (klSamplerTrainer?: number): StepFigures =>
  klSamplerTrainer === undefined ? {} : { klSamplerTrainer, ratioMean: 3 };
const step = (kl: number | undefined, policies?: StepFigures['policies']): StepFigures => ({
  ...policy(kl),
  ...(policies === undefined ? {} : { policies }),
});

it('checks each policy by itself: one that is off is not hidden by another with more tokens', () => {
  const figures = step(0.1, { writer: policy(0.01), planner: policy(5), idle: policy() });
  expect(isOffPolicy(figures, limits)).toBe(true);
  const state = { ...initialGrpoState(['writer', 'planner', 'idle']), offPolicyStreak: 1 };
  expect(checkStep(figures, undefined, state, limits).warnings).toEqual([
    expect.stringMatching(
      /sampler and trainer of "planner" disagree by 5\.00 nats a token \(limit 1\), mean ratio 3\.00/,
    ),
  ]);
});

it.each([
  [step(0.9), false],
  [step(1.1), true],
  [step(undefined), false],
  [step(0.5, { writer: policy(0.4), planner: policy(0.9) }), false],
])('holds %j against the limit', (figures, isOff) => {
  expect(isOffPolicy(figures, limits)).toBe(isOff);
});

describe('a step with an outage', () => {
  const outage = { cause: 'outage', message: 'the model did not answer' } as const;
  const call = {} as Transition;
  const came = { rollout: { status: 'succeeded' }, reward: undefined, transitions: [call] } as const;
  const lost = { rollout: { status: 'failed' }, reward: undefined, transitions: [call] } as const;
  const silent = { ...came, transitions: [] };
  type Counts = Parameters<typeof advanceGrpoState>[1];
  const advance = (state: GrpoState, ...episodes: Counts['episodes']): GrpoState =>
    advanceGrpoState(state, {
      step: state.step + 1,
      policyVersions: {},
      optimizerSteps: 0,
      trained: [],
      episodes,
      noSignal: outage,
      isOffPolicy: false,
    });
  const fresh = initialGrpoState(['policy']);

  it('neither counts as one without signal, nor breaks the row of those that do', () => {
    const after = advance({ ...fresh, noSignalStreak: 1 }, came);
    expect(after).toMatchObject({ noSignalStreak: 1, outageStreak: 0 });
    expect(checkStep({}, outage, after, limits).end).toBeUndefined();
  });

  it('ends the run only after some in a row that no rollout came through', () => {
    const once = advance(fresh, lost, silent); // the call of one rollout is none of another, which succeeded without
    expect(once).toMatchObject({ noSignalStreak: 0, outageStreak: 1 });
    expect(checkStep({}, outage, once, limits).end).toBeUndefined();
    const twice = advance(once);
    expect(checkStep({}, outage, twice, limits).end).toMatchObject({ code: 'backend-failed', retryable: true });
    expect(advance(twice, came, lost).outageStreak).toBe(0);
  });
});

it('ends a control that has lost all rewards as one that is done, and any other run that has with an error', () => {
  const flat = { cause: 'zero-variance', message: 'every reward is 0' } as const;
  const state = { ...initialGrpoState([]), noSignalStreak: 2, optimizerSteps: 3, firstReward: 0.5, lastReward: 0 };
  expect(checkStep({}, flat, state, limits).end).toMatchObject({ code: 'no-signal' });
  const failed = { cause: 'all-failed', message: 'every rollout failed' } as const;
  expect(checkStep({}, failed, state, limits).end).toMatchObject({ code: 'no-signal' });
  for (const silence of [flat, failed])
    expect(checkStep({}, silence, state, { ...limits, isControl: true }).end).toBe('converged');
  const untrained = { ...state, optimizerSteps: 0 };
  expect(checkStep({}, flat, untrained, { ...limits, isControl: true }).end).toMatchObject({ code: 'no-signal' });
});

it('keeps the rewards that the run has seen', () => {
  const counts = { step: 1, policyVersions: {}, optimizerSteps: 1, trained: [], episodes: [], noSignal: undefined };
  const state = advanceGrpoState(initialGrpoState([]), {
    ...counts,
    rewardRange: { lowest: 1, highest: 3 },
    isOffPolicy: false,
  });
  expect(JSON.parse(JSON.stringify(state))).toMatchObject({ rewardRange: { lowest: 1, highest: 3 } });
});
