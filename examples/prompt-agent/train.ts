/** Improves the agent in four ways: the rollout, the reward and the tickets are the same, the algorithm differs. */
import type { Algorithm, TrainingBackend } from '@agent-lightning/core';
import { withLightning } from '@agent-lightning/ai-sdk';
import { embedded } from '@agent-lightning/embedded';
import { serveStartingModel } from '@agent-lightning/example-kit';
import { apo, gepa } from '@agent-lightning/prompt-optimizer';
import type { ChatModel } from '@agent-lightning/tracing';
import {
  grpo,
  sft,
  Trainer,
  type FitOptions,
  type TrainerOptions,
  type TrainingResult,
} from '@agent-lightning/trainer';

import { answerTicket, createModel } from './agent.ts';
import { scriptedNames, serveScriptedModels } from './model-server.ts';
import { prompts } from './prompts.ts';
import { rateMail } from './reward.ts';
import { trainingTickets, validationTickets, type Ticket } from './tickets.ts';

/** The model that `sft` and `grpo` train. */
export const tinyModel = `${import.meta.dirname}/model`;

/** Each algorithm: the one thing that differs. */
const algorithms = {
  gepa: (reflection: ChatModel) => gepa({ prompts, reflection, minibatch: 6, selectionTasks: 18 }),
  apo: (reflection: ChatModel) =>
    apo({ prompts, reflection, beam: 2, branches: 5, minibatch: 4, selectionTasks: 18, beamTasks: 12 }),
  sft: () => sft({ samplesPerTask: 8, tasksPerStep: 18, keep: 2, learningRate: 1e-3, passes: 3, maxTokens: 40 }),
  grpo: () => grpo({ groupSize: 8, tasksPerStep: 18, learningRate: 1e-3, maxTokens: 40 }),
};
export type AlgorithmName = keyof typeof algorithms;
export const algorithmNames = Object.keys(algorithms) as readonly AlgorithmName[];

/** The steps in which each algorithm gets somewhere: proposals of `gepa`, rounds of `apo`, updates of the weights. */
export const stepsOf: Readonly<Record<AlgorithmName, number>> = { gepa: 50, apo: 6, sft: 8, grpo: 8 };

/** Returns the tickets that the seeds pick, and the verdict at the end: one more rollout of each held-out ticket, before and after. */
export function fitOptionsOf(seed: number, validationSeed: number): FitOptions<Ticket> {
  return {
    train: trainingTickets(seed, 180),
    validation: validationTickets(validationSeed, 60),
    verdict: { samples: 1, step: 'last' },
  };
}

/** Models of the reader's own, behind URLs. */
export interface OwnModels {
  readonly agent: ChatModel;
  readonly reflection: ChatModel;
}

export interface TrainOptions {
  readonly algorithm: AlgorithmName;
  readonly seed: number;
  /** For `gepa` and `apo`. @default the scripted ones */
  readonly models?: OwnModels;
  readonly trainerOptions: Partial<TrainerOptions<Ticket>>;
  readonly fitOptions: FitOptions<Ticket>;
}

/** Runs the algorithm on the agent, and rates it on held-out tickets before and after. */
export async function train({
  algorithm,
  seed,
  models,
  trainerOptions,
  fitOptions,
}: TrainOptions): Promise<TrainingResult> {
  await using resources = new AsyncDisposableStack();
  const ground = await (algorithm === 'gepa' || algorithm === 'apo'
    ? prepareSearch(algorithm, models ?? (await serveScripts(resources, seed)))
    : prepareTraining(algorithm, resources));
  const model = createModel(ground.modelName);

  const trainer = new Trainer<Ticket>({
    rollout: async (ticket, { signal }) =>
      rateMail(ticket, await answerTicket(ticket, { model, wrap: withLightning, signal })),
    algorithm: ground.algorithm,
    ...(ground.backend && { backend: ground.backend }),
    runners: 16,
    taskKind: ({ kind }) => kind,
    seed,
    ...trainerOptions,
  });
  return await trainer.fit(fitOptions);
}

/** What the agent's model is, and what improves it. */
interface Ground {
  readonly algorithm: Algorithm;
  readonly modelName: string;
  readonly backend?: TrainingBackend;
}

/** Points the agent at a hosted model, whose prompts are improved. */
function prepareSearch(name: 'gepa' | 'apo', { agent, reflection }: OwnModels): Ground {
  process.env['OPENAI_BASE_URL'] = agent.baseUrl;
  process.env['OPENAI_API_KEY'] = agent.apiKey ?? 'none';
  return { algorithm: algorithms[name](reflection), modelName: agent.model };
}

/** Points the agent at the tiny model, whose weights are trained. */
async function prepareTraining(name: 'sft' | 'grpo', resources: AsyncDisposableStack): Promise<Ground> {
  const backend = embedded({ model: tinyModel, wideKernels: true });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-support'));
  return { algorithm: algorithms[name](), modelName: 'tiny-support', backend };
}

async function serveScripts(resources: AsyncDisposableStack, seed: number): Promise<OwnModels> {
  const { baseUrl } = resources.use(await serveScriptedModels(seed));
  return { agent: { baseUrl, model: scriptedNames.model }, reflection: { baseUrl, model: scriptedNames.reflection } };
}
