/** Trains the SQL agent on this machine: `npm run quickstart -- --help`. */
import { embedded } from '@agent-lightning/embedded';
import { runExample, serveStartingModel } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';
import { grpo, Trainer } from '@agent-lightning/trainer';

import { createSqlAgent } from './agent.ts';
import { trainingQuestions, validationQuestions, type Question } from './questions.ts';
import { executionReward } from './reward.ts';

const program = {
  command: 'npm run quickstart',
  purpose: 'Trains the SQL agent on this machine and writes a report.',
  defaultSteps: 20,
  outcome: 'Held-out questions that the agent answers right',
};

await runExample(program, async ({ options, trainerOptions, fitOptions }) => {
  await using resources = new AsyncDisposableStack();
  const backend = embedded({ model: `${import.meta.dirname}/model` });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-sql')); // what the agent's own models are

  const agent = withLightning(createSqlAgent(), { agentMatch: /write/ });

  const trainer = new Trainer<Question>({
    rollout: async (task, { signal }) => {
      const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      return executionReward(task, query);
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate: 1.5e-4 }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });

  return await trainer.fit({
    train: trainingQuestions(options.seed, 1000),
    validation: validationQuestions(options.validationSeed, 320),
    validationEvery: 5,
    ...fitOptions,
  });
});
