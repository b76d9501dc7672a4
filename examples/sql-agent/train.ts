/** The one training of the SQL agent, whatever trains it. */
import type { TrainingBackend } from '@agent-lightning/core';
import { serveStartingModel, type ExampleRun } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';
import { grpo, Trainer, type TrainingResult } from '@agent-lightning/trainer';

import { createSqlAgent } from './agent.ts';
import { trainingQuestions, validationQuestions, type Question } from './questions.ts';
import { executionReward } from './reward.ts';

/** The model that the agent's policy starts from, and that its other nodes keep. */
export const startingModel = `${import.meta.dirname}/model`;

/** Trains the nodes that write SQL; the backend is closed at the end. */
export async function trainSqlAgent(
  { options, trainerOptions, fitOptions }: ExampleRun<string, string>,
  { backend, learningRate }: { readonly backend: TrainingBackend; readonly learningRate: number },
): Promise<TrainingResult> {
  await using resources = new AsyncDisposableStack();
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-sql')); // what the agent's own models are

  const agent = withLightning(createSqlAgent(), { agentMatch: /write/ });

  const trainer = new Trainer<Question>({
    rollout: async (task, { signal }) => {
      const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      return executionReward(task, query);
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate }),
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
}
