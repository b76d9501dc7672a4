/** Trains the writer of the support desk, which knows nothing of it; triage and checker keep the starting model. */
import { embedded } from '@agent-lightning/embedded';
import { serveStartingModel } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/mastra';
import { grpo, Trainer, type FitOptions, type TrainerOptions, type TrainingResult } from '@agent-lightning/trainer';

import type { Case } from './cases.ts';
import { replyReward } from './reward.ts';
import { answerTicket, createSupportDesk } from './workflow.ts';

export interface TrainOptions {
  readonly tasksPerStep: number;
  readonly trainerOptions: Partial<TrainerOptions<Case>>;
  readonly fitOptions: FitOptions<Case>;
}

export async function trainWriter({ tasksPerStep, trainerOptions, fitOptions }: TrainOptions): Promise<TrainingResult> {
  await using resources = new AsyncDisposableStack();
  const backend = embedded({ model: `${import.meta.dirname}/model`, wideKernels: true });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-support')); // what the desk's own models are

  const desk = withLightning(createSupportDesk(), { agentMatch: /^writer$/ });

  const trainer = new Trainer<Case>({
    rollout: async (task, { signal }) => replyReward(task, await answerTicket(desk, task, signal)),
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep, learningRate: 2e-4 }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });
  return await trainer.fit(fitOptions);
}
