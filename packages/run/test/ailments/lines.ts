import type { RunFacts, StepMetrics } from '../../src/index.ts';

/** What is known of a run in which nothing is special. */
export const plainFacts: RunFacts = { isControl: false, heldOutTasks: 16, sharedTasks: [] };

/** Returns the line of a step of a healthy run, with other figures where they are given. */
export function createLine(step: number, figures: Partial<StepMetrics> = {}): StepMetrics {
  return {
    step,
    reward: { mean: 0.5, deviation: 0.5, lowest: 0, highest: 1, earned: [0, 1], count: 64, byKind: {} },
    rollouts: 64,
    succeeded: 64,
    failed: 0,
    failures: {},
    failureKinds: { policy: 0, world: 0, unknown: 0 },
    failureReward: 0,
    turnLimited: 0,
    retries: 0,
    withoutCalls: 0,
    withoutReward: 0,
    transitions: 128,
    untrainableCalls: 0,
    traceProblems: 0,
    tokensSampled: 1_280,
    truncatedShare: 0,
    queueDepth: 0,
    idleShare: { trainer: 0, samplers: 0 },
    seconds: { rollout: 1, convert: 0, train: 1, publish: 0, validate: 0, checkpoint: 0 },
    sampledTokensPerSecond: 0,
    wallSeconds: step,
    ...figures,
  };
}

/** Returns the reward of 64 rollouts that earn 1 or 0. */
export function createReward(mean: number, count = 64): StepMetrics['reward'] {
  return { mean, deviation: Math.sqrt(mean * (1 - mean)), lowest: 0, highest: 1, earned: [0, 1], count, byKind: {} };
}

/** Returns the line of each step from 1, with figures that depend on the step. */
export function createLines(steps: number, figuresOf: (step: number) => Partial<StepMetrics>): readonly StepMetrics[] {
  return Array.from({ length: steps }, (_, index) => createLine(index + 1, figuresOf(index + 1)));
}
