/** Trains the agent with the calculator: `npm run example:calc-agent -- --help`. */
import { createBackend, modelFlags, modelSettings, readLearningRate, runExample } from '@agent-lightning/example-kit';

import { openCalcx } from './calcx.ts';
import { ownProblems, type ProblemSet } from './problem-set.ts';
import { rehearse, startingModel, train } from './train.ts';

const program = {
  command: 'npm run example:calc-agent',
  purpose: 'Trains an agent with a calculator on this machine and writes a report.',
  defaultSteps: 12,
  outcome: 'Held-out problems that the agent solves',
  flags: { 'no-air': 'rewards the answer only, not what the calculator said of each call', ...modelFlags },
  settings: {
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
    air: !flags['no-air'],
    learningRate: readLearningRate(settings['learning-rate']),
    trainerOptions,
  };
  return flags['dry-run'] ? rehearse(training) : train(training, { validationEvery: 4, ...fitOptions });
});
