import type { Algorithm, TrainingBackend } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { resolveFitOptions, type FitOptions } from './fit-options.ts';
import { grpo } from './grpo/grpo.ts';
import { describeRun } from './open-run.ts';
import { resolveTrainerOptions, type TrainerOptions } from './trainer-options.ts';

const backend = { name: 'scripted', createPolicy: () => Promise.reject(new TypeError('not used')) };

const search: Algorithm = {
  name: 'search',
  config: { sentences: ['a', 'b'], enough: Infinity },
  tasksPerStep: 2,
  uses: { backend: false, samplingAhead: false },
  begin: () => Promise.reject(new TypeError('not used')),
  rehearse: () => Promise.reject(new TypeError('not used')),
};

function describeWith(
  options: Partial<TrainerOptions<string>>,
  fit: Partial<FitOptions<string>> = {},
): ReturnType<typeof describeRun> {
  const trainer = resolveTrainerOptions<string, object>({ rollout: () => 1, algorithm: search, ...options });
  return describeRun(trainer, resolveFitOptions({ train: ['one', 'two'], ...fit }, trainer.algorithm.tasksPerStep));
}

const weights = { algorithm: grpo(), backend: backend as unknown as TrainingBackend };

describe('the description of a run', () => {
  it('names the algorithm and its options', () => {
    expect(describeWith({})).toMatchObject({
      seed: 0,
      control: 'none',
      backend: 'none',
      'algorithm.name': 'search',
      'algorithm.sentences': '["a","b"]',
      'algorithm.enough': 'Infinity',
    });
    expect(describeWith(weights)).toMatchObject({ backend: 'scripted', 'algorithm.groupSize': 8 });
  });

  it('is the same whatever may change when a run goes on', () => {
    const first = describeWith({ ...weights, runDirectory: 'runs/a' });
    const other = describeWith(
      { ...weights, runDirectory: 'runs/b', runners: 2, maxStaleness: 3, checkpointEvery: 5, noSignalPatience: 9 },
      { steps: 40, validationEvery: 2, resume: true },
    );
    expect(other).toEqual(first);
  });

  it.each([
    ['the seed', { seed: 1 }, {}],
    ['the control', { control: 'shuffled' }, {}],
    ['the algorithm', weights, {}],
    ['an option of the algorithm', { algorithm: { ...search, config: { sentences: ['a'], enough: Infinity } } }, {}],
    ['the tasks', {}, { train: ['one'] }],
    ['the order of the tasks', {}, { train: ['two', 'one'] }],
    ['the held-out tasks', {}, { validation: ['three'] }],
    ['the verdict', {}, { validation: ['three', 'four'], verdict: {} }],
  ] satisfies [string, Partial<TrainerOptions<string>>, Partial<FitOptions<string>>][])(
    'is another one with another value of %s',
    (_, options, fit) => {
      expect(describeWith(options, fit)).not.toEqual(describeWith({}));
    },
  );

  it('has the policies, each with its callers and its rate', () => {
    const policies = { writer: { agentMatch: /write/ }, planner: { agentMatch: /plan/i, learningRate: 0.1 } };
    expect(describeWith({ ...weights, policies })).toMatchObject({
      'policies.writer': "/write/ at the algorithm's learning rate",
      'policies.planner': '/plan/i at learning rate 0.1',
    });
    expect(Object.keys(describeWith(weights)).filter((name) => name.startsWith('policies'))).toEqual([]);
  });
});
