/** Trains the agent, which knows nothing of it. */
import { embedded } from '@agent-lightning/embedded';
import { serveStartingModel } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/openai-agents';
import { grpo, Trainer, type FitOptions, type TrainerOptions, type TrainingResult } from '@agent-lightning/trainer';

import { createCalcAgent, solve } from './agent.ts';
import type { Problem } from './problems.ts';
import { answerReward } from './reward.ts';

/** Automatic intermediate rewarding: a call that the calculator understood earns a little, and one that it did not costs it. */
const intermediate = { toolOk: 0.1, toolError: -0.1 };

export interface TrainOptions {
  /** Tells whether each call of the calculator is rewarded too, besides the answer. */
  readonly air: boolean;
  readonly trainerOptions: Partial<TrainerOptions<Problem>>;
  readonly fitOptions: FitOptions<Problem>;
}

export async function train({ air, trainerOptions, fitOptions }: TrainOptions): Promise<TrainingResult> {
  await using resources = new AsyncDisposableStack();
  const backend = embedded({ model: `${import.meta.dirname}/model`, wideKernels: true });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-calc')); // what the agent's own model is

  const agent = withLightning(createCalcAgent());

  const trainer = new Trainer<Problem>({
    rollout: async (problem, { signal }) => answerReward(problem, await solve(agent, problem.question, signal)),
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 24, learningRate: 3e-4, ...(air && { intermediate }) }),
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });
  return await trainer.fit(fitOptions);
}
