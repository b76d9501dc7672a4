import { describe, expect, it } from 'vitest';
import type { GrpoOptions } from './grpo-options.ts';
import { grpo } from './grpo.ts';

describe('grpo', () => {
  it('fills in defaults, and is frozen', () => {
    const algorithm = grpo();
    expect(algorithm.name).toBe('grpo');
    expect(algorithm.config).toEqual({
      groupSize: 8,
      tasksPerStep: 16,
      refill: 0,
      extendFailed: 0.5,
      taskSchedule: undefined,
      estimator: 'grpo',
      credit: 'identical',
      intermediate: undefined,
      samples: 'trajectory',
      tokenWeighting: 'rollout',
      weighNodes: false,
      discardedAdvantage: undefined,
      rewardScale: undefined,
      loss: { name: 'ppo', clipLow: 0.8, clipHigh: 1.28, dualClip: 3 },
      minibatches: 1,
      klCoefficient: 0,
      klPlacement: 'advantage',
      sequenceMask: undefined,
      warmupSteps: 0,
      temperature: 1,
      maxTokens: undefined,
      truncated: 'train',
      lengthPenalty: undefined,
      learningRate: 'by-backend',
      startingLearningRate: 1e-6,
      signalGate: true,
      passes: 1,
      adam: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 },
    });
    expect(
      Object.isFrozen(algorithm) && Object.isFrozen(algorithm.config.adam) && Object.isFrozen(algorithm.config.loss),
    ).toBe(true);
  });

  it.each([
    [{ loss: 'importance_sampling' }, { name: 'importance_sampling' }],
    [{ loss: 'truncated_importance_sampling' }, { name: 'truncated_importance_sampling', clipHigh: 2 }],
    [{ loss: 'icepop' }, { name: 'icepop', clipLow: 0.5, clipHigh: 5 }],
    [{ loss: 'cispo' }, { name: 'cispo', clipLow: 0, clipHigh: 5 }],
    [{ loss: 'gspo' }, { name: 'gspo', clipLow: 0.9997, clipHigh: 1.0004, dualClip: 3 }],
    [
      { loss: 'gspo', clipLow: 0.9, clipHigh: 1.1, dualClip: false },
      { name: 'gspo', clipLow: 0.9, clipHigh: 1.1 },
    ],
  ] as const)('gives %j the bounds that are usual for it', (options, loss) => {
    expect(grpo(options).config.loss).toEqual(loss);
  });

  it('is data: what a run keeps of it says everything', () => {
    const options = { sequenceMask: { low: 0.99, high: 1.01 }, klCoefficient: 0.1, klPlacement: 'loss' } as const;
    expect(JSON.parse(JSON.stringify(grpo(options).config))).toMatchObject(options);
  });

  it('turns `intermediate: true` into the default rules', () => {
    expect(grpo({ intermediate: true }).config.intermediate).toEqual({ kind: 'additive' });
    const potential = { kind: 'potential', toolError: -1 } as const;
    expect(grpo({ intermediate: potential, credit: 'perStep' }).config.intermediate).toEqual(potential);
  });

  it('takes the limit of tokens for the length from which a penalty is whole', () => {
    const { lengthPenalty } = grpo({ maxTokens: 64, lengthPenalty: { buffer: 16 } }).config;
    expect(lengthPenalty).toEqual({ limit: 64, buffer: 16, weight: 1 });
    const given = { limit: 32, buffer: 16, weight: 0.5 };
    expect(grpo({ maxTokens: 64, lengthPenalty: given }).config.lengthPenalty).toEqual(given);
  });

  it('takes groups of one only where the estimator has no group baseline', () => {
    expect(grpo({ groupSize: 1, estimator: 'reinforce++' }).config.groupSize).toBe(1);
    expect(() => grpo({ groupSize: 1 })).toThrow(/grpo\.groupSize must be a whole number from 2; got 1/);
  });

  it('extends no step, and visits tasks evenly, where groups are not compared within themselves', () => {
    const plan = { refill: 0, extendFailed: 0, taskSchedule: 'even' };
    expect(grpo({ estimator: 'reinforce++' }).config).toMatchObject(plan);
    expect(() => grpo({ estimator: 'reinforce++', extendFailed: 0.5 })).toThrow(
      /grpo\.extendFailed must be left out: the estimator 'reinforce\+\+' compares over the batch.*got 0\.5/,
    );
  });

  it.each([
    { tasksPerStep: 0 },
    { refill: -1 },
    { extendFailed: Number.NaN },
    { taskSchedule: 'random' },
    { estimator: 'reinforce++', refill: 1 },
    { estimator: 'reinforce++', taskSchedule: 'by-success' },
    { learningRate: 0 },
    { learningRate: Number.NaN },
    { estimator: 'ppo' },
    { credit: { discounted: 2 } },
    { samples: 'sample' },
    { tokenWeighting: { constant: 0 } },
    { loss: 'dpo' },
    { clipLow: 1.1 },
    { clipHigh: 0.9 },
    { dualClip: 1 },
    { dualClip: Infinity },
    { loss: 'cispo', dualClip: 3 },
    { loss: 'importance_sampling', clipHigh: 1.2 },
    { loss: 'truncated_importance_sampling', clipLow: 0.5 },
    { loss: 'truncated_importance_sampling', clipHigh: 0.5 },
    { loss: 'cross_entropy' },
    { sequenceMask: { low: 1.1, high: 1.2 } },
    { sequenceMask: { low: 0.9, high: Number.NaN } },
    { klPlacement: 'loss' },
    { klPlacement: 'reward', klCoefficient: 1 },
    { intermediate: {} },
    { intermediate: { kind: 'potential' } },
    { intermediate: { kind: 'potential' }, credit: { discounted: 0.9 } },
    { weighNodes: true, credit: 'perStep' },
    { weighNodes: true, estimator: 'rloo' },
    { rewardScale: 0 },
    { rewardScale: Infinity },
    { rewardScale: 1e200 },
    { lengthPenalty: { limit: 8, buffer: 4, weight: 1e200 } },
    { minibatches: 0.5 },
    { klCoefficient: -1 },
    { maxGradientNorm: -1 },
    { beta1: 1 },
    { beta2: -0.1 },
    { epsilon: 0 },
    { weightDecay: Infinity },
    { warmupSteps: -1 },
    { temperature: 0 },
    { temperature: 0.005 },
    { temperature: 3 },
    { maxTokens: 0 },
    { truncated: 'mask' },
    { lengthPenalty: { buffer: 10 } },
    { lengthPenalty: { buffer: 11 }, maxTokens: 10 },
    { lengthPenalty: { buffer: 0, limit: 10 } },
    { lengthPenalty: { buffer: 1, limit: 10, weight: 0 } },
    { lengthPenalty: { buffer: 1, limit: 10, size: 1 } },
    { groupsize: 4 },
  ])('refuses %j', (options) => {
    expect(() => grpo(options as GrpoOptions)).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });
});
