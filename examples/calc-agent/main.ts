/** Trains the agent with the calculator: `npm run example:calc-agent -- --help`. */
import {
  createBackend,
  modelFlags,
  modelSettings,
  readLearningRate,
  runExample,
  UsageError,
} from '@agent-lightning/example-kit';

import { openCalcx } from './calcx.ts';
import { ownProblems, type ProblemSet } from './problem-set.ts';
import { createAlgorithm, rehearse, startingModel, train } from './train.ts';

const program = {
  command: 'npm run example:calc-agent',
  purpose: 'Trains an agent with a calculator on this machine and writes a report.',
  defaultSteps: 12,
  outcome: 'Held-out problems that the agent solves',
  flags: { 'no-air': 'rewards the answer only, not what the calculator said of each call', ...modelFlags },
  settings: {
    algorithm: { value: 'NAME', meaning: 'grpo, or sft: imitates the best of eight answers', default: 'grpo' },
    ...modelSettings('3e-4'),
    calcx: { value: 'DIR', meaning: 'trains on Calc-X, unpacked in DIR, not on the own problems', default: '' },
  },
};

await runExample(program, async ({ options, trainerOptions, fitOptions }) => {
  const { flags, settings } = options;
  const problems: ProblemSet =
    settings.calcx === '' ? ownProblems(options) : await openCalcx(settings.calcx, options.validationSeed);
  const training = {
    problems,
    backend: createBackend(options, startingModel),
    algorithm: createAlgorithm({
      name: readAlgorithm(settings.algorithm, flags['no-air']),
      air: !flags['no-air'],
      learningRate: readLearningRate(settings['learning-rate']),
    }),
    trainerOptions,
  };
  return flags['dry-run'] ? rehearse(training) : train(training, { validationEvery: 4, ...fitOptions });
});

function readAlgorithm(name: string, isWithoutAir: boolean): 'grpo' | 'sft' {
  if (name !== 'grpo' && name !== 'sft') throw new UsageError(`--algorithm is "${name}"; it can be grpo or sft`);
  if (name === 'sft' && isWithoutAir) throw new UsageError('--no-air is for grpo; sft looks at the answer only');
  return name;
}
