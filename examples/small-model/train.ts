/** Trains the agent, which knows nothing of it. */
import type { TrainingBackend } from '@agent-lightning/core';
import { serveStartingModel, type ExampleRun } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';
import { grpo, Trainer, type TrainingResult } from '@agent-lightning/trainer';

import { answerQuestion, createShopAgent } from './agent.ts';
import { answerReward } from './reward.ts';
import { trainingQuestions, validationQuestions, type ShopQuestion } from './shop.ts';

/** Rollouts of a step, all of them at once: the sampler batches what runs at the same time. */
const [tasksPerStep, groupSize] = [4, 8];

/** The backend is left open. */
export async function trainShopAgent(
  {
    options,
    trainerOptions,
    fitOptions,
  }: Pick<ExampleRun<string, string>, 'options' | 'trainerOptions' | 'fitOptions'>,
  backend: TrainingBackend,
): Promise<TrainingResult> {
  await using _model = await serveStartingModel(backend, 'smollm2'); // what the agent's own model is
  const agent = withLightning(createShopAgent());
  const trainer = new Trainer<ShopQuestion>({
    rollout: async (task, { signal }) => answerReward(task, await answerQuestion(agent, task.question, signal)),
    backend,
    algorithm: grpo({ groupSize, tasksPerStep, learningRate: 3e-4, maxTokens: 48 }),
    runners: tasksPerStep * groupSize,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });
  return await trainer.fit({
    train: trainingQuestions(options.seed),
    validation: validationQuestions(options.validationSeed, 36),
    ...fitOptions,
  });
}
