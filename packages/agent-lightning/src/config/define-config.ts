import type { Algorithm, JsonValue, TrainingBackend } from '@agent-lightning/core';
import type { FitOptions, TrainerOptions } from '@agent-lightning/trainer';

/** Tasks, or a function that reads them, such as `() => readTasks('train.jsonl')`; it is called when a command needs them. */
export type TaskSource<Task> = readonly Task[] | (() => Promise<readonly Task[]> | readonly Task[]);

/** The things that the command line may ask a backend for. */
export interface BackendChoice {
  /** The model of `--model`; undefined where it is not given. */
  readonly model: string | undefined;
}

/** A backend, or a function that opens one; with a function, commands that need no backend open none, and `--model` works. */
export type BackendSource = TrainingBackend | ((choice: BackendChoice) => Promise<TrainingBackend> | TrainingBackend);

/** Options of the trainer that the command sets itself. */
type CommandOptions = 'backend' | 'algorithm' | 'signal' | 'handleSignals';

/**
 * The agent, its tasks and the way to improve it, as `lightning.config.ts` exports them by default. Every option of `Trainer` and of `fit` may be
 * given beside those that are described here.
 */
export interface LightningConfig<Task = JsonValue>
  extends Omit<TrainerOptions<Task>, CommandOptions>, Omit<FitOptions<Task>, 'train' | 'validation' | 'resume'> {
  /** The tasks to train on. */
  readonly train: TaskSource<Task>;
  /** Held-out tasks; `eval` runs them, and `train` validates and judges by them. @default none */
  readonly validation?: TaskSource<Task>;
  /** The backend in which weights learn. @default none: `dev` and `eval` run the agent on its own model, and `train` says what is missing */
  readonly backend?: BackendSource;
  /** The way to improve the agent, or several by name, of which `--algorithm` takes one; the first is the default. @default grpo() */
  readonly algorithm?: Algorithm | Readonly<Record<string, Algorithm>>;
}

/** Returns the config as it is; its type gives `rollout` the type of the tasks. */
export function defineConfig<Task = JsonValue>(config: LightningConfig<Task>): LightningConfig<Task> {
  return config;
}
