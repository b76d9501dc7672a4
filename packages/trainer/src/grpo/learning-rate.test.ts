import type { BackendCapabilities, RoutedPolicy } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import type { GrpoOptions } from './grpo-options.ts';
import { grpo } from './grpo.ts';
import { checkAutoRates, chooseRate } from './learning-rate.ts';

const capabilities: BackendCapabilities = {
  losses: ['ppo'],
  maxSampleTokens: 100,
  snapshot: 'engine',
  description: 'a test',
};
const chosen = (options: GrpoOptions, backend: Partial<BackendCapabilities> = {}): ReturnType<typeof chooseRate> =>
  chooseRate('grpo', grpo(options).config, { ...capabilities, ...backend });

describe('the learning rate that is not given', () => {
  it('is auto wherever the backend can score an update', () => {
    expect(chosen({})).toEqual({ learningRate: 'auto' });
    expect(chosen({}, { scoresUpdates: true, trainedWeights: 'adapter' })).toEqual({ learningRate: 'auto' });
  });

  it.each([
    [{ trainedWeights: 'all' }, 1e-6, /fixed at 0\.000001, the default for all weights/],
    [{}, 1e-6, /the default for all weights/],
    [{ trainedWeights: 'adapter' }, 2e-5, /fixed at 0\.00002, the default for an adapter.*cannot score/],
  ] as const)('is fixed where it cannot: %j', (backend, learningRate, notice) => {
    expect(chosen({}, { ...backend, scoresUpdates: false })).toEqual({
      learningRate,
      notice: expect.stringMatching(notice),
    });
  });

  it.each([
    [{ estimator: 'gae' }, /the estimator is 'gae'/],
    [{ loss: 'cispo' }, /the loss is 'cispo'/],
    [{ minibatches: 4 }, /minibatches is 4/],
    [{ passes: 2 }, /passes is 2/],
    [{ warmupSteps: 3 }, /warmupSteps is 3/],
  ] as const)('is fixed, and says so, with %j', (options, notice) => {
    expect(chosen(options)).toEqual({ learningRate: 1e-6, notice: expect.stringMatching(notice) });
  });
});

describe('the learning rate that is given', () => {
  it('is taken as told', () => {
    expect(chosen({ learningRate: 3e-3, passes: 4, minibatches: 2 })).toEqual({ learningRate: 3e-3 });
    expect(chosen({ learningRate: 'auto', startingLearningRate: 1e-5, signalGate: false })).toEqual({
      learningRate: 'auto',
    });
  });

  it('is auto where another option is about auto', () => {
    expect(grpo({ signalGate: false }).config.learningRate).toBe('auto');
    expect(grpo({ startingLearningRate: 2e-6 }).config).toMatchObject({
      learningRate: 'auto',
      startingLearningRate: 2e-6,
    });
  });

  it.each([
    [{ learningRate: 'auto', loss: 'cispo' }, /grpo\.learningRate must be a number where the loss is 'cispo'/],
    [{ learningRate: 'auto', minibatches: 2 }, /grpo\.learningRate.*minibatches is 2/],
    [{ learningRate: 'auto', passes: 2 }, /grpo\.learningRate.*passes is 2/],
    [{ learningRate: 'auto', warmupSteps: 1 }, /grpo\.learningRate.*warmupSteps is 1/],
    [{ startingLearningRate: 1.1e-5 }, /grpo\.startingLearningRate must be at most 0\.00001.*got 0\.000011/],
    [{ startingLearningRate: 0 }, /grpo\.startingLearningRate/],
    [{ learningRate: 1e-4, startingLearningRate: 1e-6 }, /grpo\.startingLearningRate.*left out with the fixed/],
    [{ learningRate: 1e-4, signalGate: false }, /grpo\.signalGate.*left out with the fixed/],
    [{ signalGate: 'no' }, /grpo\.signalGate must be true or false/],
    [{ learningRate: 'Auto' }, /grpo\.learningRate must be 'auto' or a number/],
    [{ passes: 0 }, /grpo\.passes/],
  ])('is refused by name: %j', (options, message) => {
    expect(() => grpo(options as GrpoOptions)).toThrow(
      expect.objectContaining({ code: 'option-invalid', message: expect.stringMatching(message) }),
    );
  });
});

describe('a policy whose own learning rate is auto', () => {
  const policies: readonly RoutedPolicy[] = [{ name: 'planner', agentMatch: 'plan', learningRate: 'auto' }];
  const check = (options: GrpoOptions, backend: Partial<BackendCapabilities> = {}): void =>
    checkAutoRates(grpo(options).config, policies, {
      name: 'remote',
      capabilities: { ...capabilities, ...backend },
    });

  it('goes with a fixed rate of the others', () => {
    expect(() => check({ learningRate: 1e-5 })).not.toThrow();
  });

  it('is refused with what auto does not go with', () => {
    expect(() => check({ learningRate: 1e-5, minibatches: 2 })).toThrow(
      /policies\.planner\.learningRate must be a number where minibatches is 2/,
    );
  });

  it('is refused, like that of the algorithm, where the backend cannot score an update', () => {
    const refused = expect.objectContaining({
      code: 'option-unsupported',
      message: expect.stringMatching(/the backend remote cannot score.*give a number, such as 0\.00002/),
    });
    const cannot = { scoresUpdates: false, trainedWeights: 'adapter' } as const;
    expect(() => check({ learningRate: 1e-5 }, cannot)).toThrow(refused);
    const algorithm = grpo({ learningRate: 'auto' }).config;
    expect(() =>
      checkAutoRates(algorithm, [], { name: 'remote', capabilities: { ...capabilities, ...cannot } }),
    ).toThrow(refused);
  });
});
