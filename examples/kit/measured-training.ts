/**
 * Answers requests of a measuring process for training runs: one message asks for a run, one answers with its course. So a tool can
 * train an example many times without starting it anew.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrainerError } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { grpo, Trainer, type GrpoOptions } from '@agent-lightning/trainer';
import { serveStartingModel } from './serve-starting-model.ts';

/** An agent that can be trained from its untrained model as often as asked. */
export interface MeasuredAgent<Task> {
  /** The directory of the model that it starts from, and the name by which its own calls ask for it. */
  readonly model: string;
  readonly modelName: string;
  /** Returns the tasks that a seed picks, and how the agent runs on one; called when its models can be asked. */
  prepare(seed: number): {
    readonly train: readonly Task[];
    readonly heldOut: readonly Task[];
    rollout(task: Task, signal: AbortSignal): Promise<number>;
  };
}

export interface TrainUntilOptions {
  readonly seed: number;
  readonly algorithm: GrpoOptions & { readonly tasksPerStep: number; readonly groupSize: number };
  /** The mean held-out reward at which the run ends; null for none. */
  readonly goal: number | null;
  /** The training rollouts after which it ends without. */
  readonly mostRollouts: number;
  readonly heldOutTasks: number;
  /** Steps from one validation to the next. @default 1 */
  readonly validationEvery?: number;
  /** @default 'none' */
  readonly control?: 'none' | 'shuffled';
}

/** The course of a run. */
export interface TrainedCurve {
  readonly seed: number;
  /** Held-out reward before training; absent where an error ended the run. */
  readonly before?: number | undefined;
  /** Training rollouts up to each validation, and its held-out reward. */
  readonly points: readonly (readonly [rollouts: number, reward: number])[];
  /** Training rollouts until the goal; undefined where it was not reached. */
  readonly rolloutsToGoal: number | undefined;
  /** The learning rate of the newest update. */
  readonly learningRate: number | undefined;
  /** The share of the first step's tokens that its loss clips, and KL(sampler ‖ trainer) in nats before its update; absent where it trained nothing. */
  readonly firstStep?: { readonly clipFraction: number; readonly klSamplerTrainer: number } | undefined;
  /** The code of the error that ended the run; absent where none did. */
  readonly ended?: string;
}

/** Trains an agent for each message of the parent process, one after the other, until it disconnects. */
export function answerTrainingRequests<Task>(agent: MeasuredAgent<Task>): void {
  process.on('message', (options: TrainUntilOptions) => {
    void trainUntil(agent, options).then((curve) => process.send?.(curve));
  });
}

/** Trains an agent through the trainer, its gateway and its store, until it reaches a goal or has used up its rollouts. */
export async function trainUntil<Task>(agent: MeasuredAgent<Task>, options: TrainUntilOptions): Promise<TrainedCurve> {
  const { seed, algorithm, goal, mostRollouts, heldOutTasks, validationEvery = 1, control = 'none' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'bench-learning-'));
  const reached = new AbortController();
  const points: [number, number][] = [];
  let [rollouts, learningRate]: [number, number | undefined] = [0, undefined];
  let firstStep: TrainedCurve['firstStep'];
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const backend = embedded({ model: agent.model, wideKernels: true });
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, agent.modelName));
  const prepared = agent.prepare(seed);
  if (prepared.heldOut.length < heldOutTasks)
    throw new RangeError(`${heldOutTasks} held-out tasks were asked for, and there are ${prepared.heldOut.length}.`);
  const trainer = new Trainer({
    rollout: (task: Task, { signal }) => prepared.rollout(task, signal),
    backend,
    algorithm: grpo(algorithm),
    runners: 32,
    seed,
    control,
    noSignalPatience: 20,
    checkpointEvery: 1_000,
    runDirectory: join(folder, 'run'),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    progress: 'none',
    handleSignals: false,
    signal: reached.signal,
    hooks: {
      onStep: (metrics) => {
        rollouts += metrics.rollouts;
        learningRate = metrics.learningRate;
        const { validation, clipFraction, klSamplerTrainer } = metrics;
        if (metrics.step === 1 && clipFraction !== undefined && klSamplerTrainer !== undefined)
          firstStep = { clipFraction, klSamplerTrainer };
        if (validation !== undefined) points.push([rollouts, validation.reward]);
        if (rollouts >= mostRollouts || (validation?.reward ?? 0) >= (goal ?? Infinity)) reached.abort();
      },
    },
  });
  try {
    const perStep = algorithm.tasksPerStep * algorithm.groupSize;
    const { validationBefore } = await trainer.fit({
      train: prepared.train,
      validation: prepared.heldOut.slice(0, heldOutTasks),
      validationEvery,
      steps: Math.ceil(mostRollouts / perStep) + 1, // the step after the last is not begun
    });
    return { seed, before: validationBefore, points, rolloutsToGoal: findGoal(points, goal), learningRate, firstStep };
  } catch (error) {
    // A policy that a learning rate has ruined gives no signal, or numbers that are not finite: its goal is not reached.
    if (!TrainerError.isInstance(error)) throw error;
    return {
      seed,
      before: Number.NaN,
      points,
      rolloutsToGoal: findGoal(points, goal),
      learningRate,
      firstStep,
      ended: error.code,
    };
  }
}

function findGoal(points: TrainedCurve['points'], goal: number | null): number | undefined {
  return points.find(([, reward]) => reward >= (goal ?? Infinity))?.[0];
}
