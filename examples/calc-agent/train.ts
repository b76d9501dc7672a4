/** Trains the agent, which knows nothing of it. */
import type { Algorithm, TrainingBackend } from '@agent-lightning/core';
import { serveStartingModel, UsageError } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/openai-agents';
import {
  grpo,
  sft,
  Trainer,
  type DevReport,
  type FitOptions,
  type TrainerOptions,
  type TrainingResult,
} from '@agent-lightning/trainer';

import { createCalcAgent, solve } from './agent.ts';
import type { ProblemSet, WordProblem } from './problem-set.ts';

/** The model that the agent's policy starts from where none is given. */
export const startingModel = `${import.meta.dirname}/model`;

export interface AlgorithmOptions {
  readonly name: 'grpo' | 'sft';
  /** Tells whether each call of the calculator is rewarded too, besides the answer; for `grpo` only. */
  readonly air: boolean;
  /** `auto` for `grpo` only. */
  readonly learningRate: number | 'auto';
}

/** Automatic intermediate rewarding: a call that the calculator understood earns a little, and one that it did not costs it. */
const intermediate = { kind: 'additive', toolOk: 0.1, toolError: -0.1 } as const;

export interface TrainOptions<Task extends WordProblem> {
  readonly problems: ProblemSet<Task>;
  /** Closed at the end. */
  readonly backend: TrainingBackend;
  /** The way in which the agent learns: by comparing rollouts, or by imitating the best of each problem. */
  readonly algorithm: Algorithm;
  readonly trainerOptions: Partial<TrainerOptions<Task>>;
}

/** Makes the algorithm: the one thing of a training that differs. */
export function createAlgorithm({ name, air, learningRate }: AlgorithmOptions): Algorithm {
  if (name === 'grpo') return grpo({ groupSize: 8, tasksPerStep: 24, learningRate, ...(air && { intermediate }) });
  if (learningRate === 'auto')
    throw new UsageError('--learning-rate auto is for grpo; give sft a number, such as 3e-4');
  return sft({ samplesPerTask: 8, tasksPerStep: 24, learningRate, passes: 2 });
}

/** Trains on the problems. */
export function train<Task extends WordProblem>(
  options: TrainOptions<Task>,
  fitOptions: Omit<FitOptions<Task>, 'train' | 'validation'>,
): Promise<TrainingResult> {
  const { train, validation } = options.problems;
  return withTrainer(
    options,
    () => undefined,
    (trainer) => trainer.fit({ train, validation, ...fitOptions }),
  );
}

/** Runs the agent on four held-out problems and shows each answer; nothing is trained. */
export function rehearse<Task extends WordProblem>(options: TrainOptions<Task>): Promise<DevReport> {
  const { validation, reward } = options.problems;
  const tasks = validation.slice(0, 4);
  const earned = tasks.filter((task) => reward(task, `Answer: ${task.answer}`) === 1).length;
  console.log(`the data set's own answers: ${earned} of ${tasks.length} earn 1`);
  return withTrainer(options, show, (trainer) => trainer.dev({ tasks }));
}

function show({ question, answer }: WordProblem, output: string, reward: number): void {
  console.log(`\n${question}\n  said: ${JSON.stringify(output)}\n  right: ${answer} · reward ${reward}`);
}

async function withTrainer<Task extends WordProblem, Result>(
  { problems, backend, algorithm, trainerOptions }: TrainOptions<Task>,
  onAnswer: (problem: Task, output: string, reward: number) => void,
  use: (trainer: Trainer<Task>) => Promise<Result>,
): Promise<Result> {
  await using resources = new AsyncDisposableStack();
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-calc')); // what the agent's own model is

  const agent = withLightning(createCalcAgent(problems.agentOptions));

  const trainer = new Trainer<Task>({
    rollout: async (problem, { signal }) => {
      const output = await solve(agent, problem.question, { ...problems.agentOptions, signal });
      const reward = problems.reward(problem, output);
      onAnswer(problem, output, reward);
      return reward;
    },
    backend,
    algorithm,
    runners: 32,
    taskKind: ({ kind }) => kind,
    ...trainerOptions,
  });
  return await use(trainer);
}
