/** Trains the agent, which knows nothing of it. */
import { withLightning } from '@agent-lightning/ai-sdk';
import type { TrainingBackend } from '@agent-lightning/core';
import { serveStartingModel, type ExampleRun, type ModelFlag } from '@agent-lightning/example-kit';
import { grpo, Trainer, type DevReport, type TrainingResult } from '@agent-lightning/trainer';

import { createRagAgent } from './agent.ts';
import type { QuestionSet, RagQuestion } from './question-set.ts';

/** The model that the agent's policy starts from where none is given. */
export const startingModel = `${import.meta.dirname}/model`;

export interface TrainOptions {
  /** Disposed of at the end, as the backend is. */
  readonly questions: QuestionSet;
  readonly backend: TrainingBackend;
  readonly learningRate: number | 'auto';
}

/** Trains on the questions, or runs the agent on four held-out ones and shows each answer. */
export async function train(
  { options, trainerOptions, fitOptions }: ExampleRun<ModelFlag, string>,
  { questions, backend, learningRate }: TrainOptions,
): Promise<TrainingResult | DevReport> {
  await using resources = new AsyncDisposableStack();
  resources.defer(() => backend.close());
  resources.use(questions);
  resources.use(await serveStartingModel(backend, 'tiny-rag')); // what the agent's own model is
  const isDryRun = options.flags['dry-run'];

  const agent = withLightning(createRagAgent(questions.index, questions.agentOptions));

  const trainer = new Trainer<RagQuestion>({
    rollout: async (task, { signal }) => {
      const { text } = await agent.generate({ prompt: task.question, abortSignal: signal });
      const reward = questions.reward(task, text);
      if (isDryRun) show(task, text, reward);
      return reward;
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });

  const { train, validation } = questions;
  if (!isDryRun) return await trainer.fit({ train, validation, validationEvery: 5, ...fitOptions });
  const tasks = validation.slice(0, 4);
  const earned = tasks.filter((task) => questions.reward(task, `Answer: ${task.gold}`) === 1).length;
  console.log(`the data set's own answers: ${earned} of ${tasks.length} earn 1`);
  return await trainer.dev({ tasks });
}

function show({ question, gold }: RagQuestion, text: string, reward: number): void {
  console.log(`\n${question}\n  said: ${JSON.stringify(text)}\n  right: ${gold} · reward ${reward.toFixed(3)}`);
}
