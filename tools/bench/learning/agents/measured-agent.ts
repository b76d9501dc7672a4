/** Trains agents of the examples, each in a process of its own that stays for many runs. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BackendError } from '@agent-lightning/core';
import type { GrpoOptions } from '@agent-lightning/trainer';

/** A run that is asked for. */
export interface TrainingRequest {
  readonly seed: number;
  /** Options of `grpo` that are JSON. */
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
  readonly before?: number;
  /** Training rollouts up to each validation, and its held-out reward. */
  readonly points: readonly (readonly [rollouts: number, reward: number])[];
  /** Training rollouts until the goal; absent where it was not reached. */
  readonly rolloutsToGoal?: number;
  /** The learning rate of the newest update. */
  readonly learningRate?: number;
  /** The share of the first step's tokens that its loss clips, and KL(sampler ‖ trainer) in nats before its update; absent where it trained nothing. */
  readonly firstStep?: { readonly clipFraction: number; readonly klSamplerTrainer: number };
  /** The code of the error that ended the run; absent where none did. */
  readonly ended?: string;
}

/** An agent of an example, in a process that trains it when asked. */
export class MeasuredAgent implements Disposable {
  readonly #process: ChildProcess;
  /** Rejects when the process ends. */
  readonly #ended: Promise<never>;

  /** Starts the program of an example that answers training requests, such as `sql-agent/measure.ts`. */
  constructor(program: string) {
    const path = fileURLToPath(new URL(`../../../../examples/${program}`, import.meta.url));
    this.#process = fork(path, { execArgv: ['--conditions=@agent-lightning/source'] });
    this.#ended = once(this.#process, 'exit').then(([code]) => {
      throw new BackendError(`the process of ${program} ended with code ${String(code)}`, { code: 'backend-failed' });
    });
    this.#ended.catch(() => undefined); // a run that waits for an answer has it; at the end nobody does
  }

  /** Trains the agent from its untrained model. @throws {BackendError} `backend-failed` when the process ends without an answer */
  async train(request: TrainingRequest): Promise<TrainedCurve> {
    const answered = once(this.#process, 'message');
    this.#process.send(request);
    const [curve] = (await Promise.race([answered, this.#ended])) as [TrainedCurve];
    return curve;
  }

  [Symbol.dispose](): void {
    this.#process.kill();
  }
}
