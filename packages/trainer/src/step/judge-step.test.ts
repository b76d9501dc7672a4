import { expect, it } from 'vitest';
import type { PolicyMetrics, StepMetrics } from '../metrics.ts';
import { initialState } from '../trainer-state.ts';
import { judgeDivergence, verdictOf } from './judge-step.ts';

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
