/** Trains the SQL agent in this process: `npm run quickstart -- --help`. */
import { embedded } from '@agent-lightning/embedded';
import { runExample } from '@agent-lightning/example-kit';

import { startingModel, trainSqlAgent } from './train.ts';

const program = {
  command: 'npm run quickstart',
  purpose: 'Trains the SQL agent on this machine and writes a report.',
  defaultSteps: 20,
  outcome: 'Held-out questions that the agent answers right',
};

await runExample(program, (run) =>
  trainSqlAgent(run, { backend: embedded({ model: startingModel }), learningRate: 1.5e-4 }),
);
