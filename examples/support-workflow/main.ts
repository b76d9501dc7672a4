/** Trains one of the three agents of a support desk on this machine: `npm run example:support-workflow -- --help`. */
import { runExample } from '@agent-lightning/example-kit';

import { trainingCases, validationCases } from './cases.ts';
import { trainWriter } from './train.ts';

const program = {
  command: 'npm run example:support-workflow',
  purpose: 'Trains the writer of a support desk on this machine and writes a report.',
  defaultSteps: 16,
  outcome: 'Held-out tickets that the desk answers right',
};

await runExample(program, ({ options, trainerOptions, fitOptions }) =>
  trainWriter({
    tasksPerStep: 16,
    trainerOptions,
    fitOptions: {
      train: trainingCases(options.seed, 600),
      validation: validationCases(options.validationSeed, 160),
      validationEvery: 4,
      ...fitOptions,
    },
  }),
);
