import { describe, expect, it } from 'vitest';
import { type PolicyMetrics, type StepMetrics, advanceState, initialState } from '@agent-lightning/run';
import { judgeDivergence, judgeSilence, verdictOf } from './judge-step.ts';

const limits = { noSignalPatience: 2, maxDivergence: 1 };
const policy = (klSamplerTrainer?: number): PolicyMetrics =>
  (klSamplerTrainer === undefined ? {} : { klSamplerTrainer, ratioMean: 3 }) as PolicyMetrics;
const step = (kl: number | undefined, policies?: StepMetrics['policies']): StepMetrics =>
  ({ ...policy(kl), ...(policies === undefined ? {} : { policies }) }) as StepMetrics;

it('judges each policy by itself: one that is off is not hidden by another with more tokens', () => {
  const metrics = step(0.1, { writer: policy(0.01), planner: policy(5), idle: policy() });
  expect(verdictOf(metrics, undefined, limits).isOffPolicy).toBe(true);
  const state = { ...initialState(['writer', 'planner', 'idle']), offPolicyStreak: 1 };
  expect(judgeDivergence(metrics, state, limits)).toMatch(
    /sampler and trainer of "planner" disagree by 5\.00 nats a token \(limit 1\), mean ratio 3\.00/,
  );
});

it.each([
  [step(0.9), false],
  [step(1.1), true],
  [step(undefined), false],
  [step(0.5, { writer: policy(0.4), planner: policy(0.9) }), false],
])('holds %j against the limit', (metrics, isOffPolicy) => {
  expect(verdictOf(metrics, undefined, limits).isOffPolicy).toBe(isOffPolicy);
});

describe('a step that an outage spoiled', () => {
  const outage = { cause: 'outage', message: 'the model did not answer' } as const;
  const spoiled = (succeeded: number): StepMetrics =>
    ({ ...step(undefined), step: 1, reward: {}, succeeded, transitions: succeeded }) as StepMetrics;
  const verdict = (succeeded: number): Parameters<typeof advanceState>[2] => ({
    ...verdictOf(spoiled(succeeded), outage, limits),
    policyVersions: {},
  });

  it('neither counts as one without signal, nor breaks the row of those that do', () => {
    const before = { ...initialState(['policy']), noSignalStreak: 1 };
    const after = advanceState(before, spoiled(3), verdict(3));
    expect(after).toMatchObject({ noSignalStreak: 1, outageStreak: 0 });
    expect(judgeSilence(outage, after, limits)).toBe('go-on');
  });

  it('ends the run only after some in a row that no rollout came through', () => {
    const once = advanceState(initialState(['policy']), spoiled(0), verdict(0));
    expect(once).toMatchObject({ noSignalStreak: 0, outageStreak: 1 });
    expect(judgeSilence(outage, once, limits)).toBe('go-on');
    const twice = advanceState(once, spoiled(0), verdict(0));
    expect(() => judgeSilence(outage, twice, limits)).toThrow(
      expect.objectContaining({ code: 'backend-failed', retryable: true }),
    );
    expect(advanceState(twice, spoiled(1), verdict(1)).outageStreak).toBe(0);
  });
});
