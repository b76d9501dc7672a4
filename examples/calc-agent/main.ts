/** Trains the agent with the calculator on this machine: `npm run example:calc-agent -- --help`. */
import { runExample } from '@agent-lightning/example-kit';

import { trainingProblems, validationProblems } from './problems.ts';
import { train } from './train.ts';

const program = {
  command: 'npm run example:calc-agent',
  purpose: 'Trains an agent with a calculator on this machine and writes a report.',
  defaultSteps: 12,
  outcome: 'Held-out problems that the agent solves',
  flags: { 'no-air': 'rewards the answer only, not what the calculator said of each call' },
};

await runExample(program, ({ options, trainerOptions, fitOptions }) =>
  train({
    air: !options.flags['no-air'],
    trainerOptions,
    fitOptions: {
      train: trainingProblems(options.seed, 1000),
      validation: validationProblems(options.validationSeed, 160),
      validationEvery: 4,
      ...fitOptions,
    },
  }),
);
