/** Makes real runs for the dashboard: one that ended, one that failed, and one that goes on, all with hostile content. */
import { join } from 'node:path';
import { LightningError } from '@agent-lightning/core';
import { grpo, Trainer, type TrainerOptions } from '@agent-lightning/trainer';
import { letters } from '../bench/learning/ailments/letter-model.ts';
import { attacks } from './attacks.ts';
import { DeafLetters } from './deaf-letters.ts';

/** The name of the run that ended: a folder may be named so too. */
export const hostileName = '<img src=x onerror=window.hit=1>';

interface Task {
  readonly letter: string;
  readonly question: string;
  readonly kind: string;
}

type Context = Parameters<TrainerOptions<Task>['rollout']>[1];

const tasks: readonly Task[] = [...letters].map((letter, index) => ({
  letter,
  question: `Which letter follows ${letter}? ${attacks[index % attacks.length]}`,
  kind: index % 2 === 0 ? 'even' : attacks[0]!,
}));

/** Trains the letter model for some steps, with held-out tasks and a verdict. */
export async function makeFinishedRun(folder: string, steps: number): Promise<string> {
  const runDirectory = join(folder, hostileName);
  const trainer = createTrainer(runDirectory, async (task, context) => {
    const answer = await ask(task, context);
    if (context.rollout.metadata['sample'] === 7 && task.letter === 'c') throw new RangeError(attacks.join(' '));
    return reward(task, answer);
  });
  await trainer.fit({ train: tasks, validation: tasks, validationEvery: 2, steps });
  return runDirectory;
}

/** Trains on an agent that always throws: the run stops without a signal. */
export async function makeFailedRun(folder: string): Promise<string> {
  const runDirectory = join(folder, 'failed');
  const trainer = createTrainer(runDirectory, async (task, context) => {
    const answer = await ask(task, context);
    throw new TypeError(`${attacks.join(' ')} after ${answer}`);
  });
  try {
    await trainer.fit({ train: tasks, steps: 3 });
  } catch (error) {
    if (LightningError.isInstance(error)) return runDirectory;
    throw error;
  }
  throw new TypeError('a run whose agent always throws ended well');
}

/** A run that goes on until it is let go. */
export interface LiveRun {
  readonly runDirectory: string;
  /** Lets one more step's rollouts end. */
  readonly goOn: () => void;
  /** Lets all rollouts end, and resolves when the run has. */
  readonly finish: () => Promise<void>;
}

/** Begins a run whose first step is done and whose second waits for its rollouts. */
export async function startLiveRun(folder: string): Promise<LiveRun> {
  const runDirectory = join(folder, 'live');
  let allowed = 1;
  let wake = Promise.withResolvers<void>();
  const let1 = (): void => {
    allowed += 1;
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const first = Promise.withResolvers<void>();
  const trainer = createTrainer(
    runDirectory,
    async (task, context) => {
      while (Number(context.rollout.metadata['step']) > allowed) await wake.promise;
      return reward(task, await ask(task, context));
    },
    () => first.resolve(),
  );
  const ended = trainer.fit({ train: tasks, steps: 3 });
  await Promise.race([first.promise, ended]);
  return {
    runDirectory,
    goOn: let1,
    finish: async () => {
      allowed = Infinity;
      wake.resolve();
      await ended;
    },
  };
}

function createTrainer(
  runDirectory: string,
  rollout: TrainerOptions<Task>['rollout'],
  onStep?: () => void,
): Trainer<Task> {
  const silent = (): void => undefined;
  return new Trainer<Task>({
    rollout,
    backend: new DeafLetters(),
    algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 0.3, maxTokens: 8, extendFailed: 0 }),
    taskKind: ({ kind }) => kind,
    failureReward: 0,
    noSignalPatience: 2,
    logger: { info: silent, warn: silent, error: silent },
    progress: 'none',
    handleSignals: false,
    runDirectory,
    ...(onStep !== undefined && { hooks: { onStep } }),
  });
}

function reward(task: Task, answer: string): Record<string, number | string> & { readonly feedback: string } {
  const right = letters[(letters.indexOf(task.letter) + 1) % letters.length] === answer[0];
  return {
    right: right ? 1 : 0,
    brevity: 1 / Math.max(1, answer.length),
    feedback: `${attacks[1]} the answer was ${answer}`,
  };
}

async function ask(task: Task, { llm, signal }: Context): Promise<string> {
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: {
      authorization: `Bearer ${llm.apiKey}`,
      'content-type': 'application/json',
      'x-lightning-agent': encodeURIComponent(attacks[2]!),
    },
    body: JSON.stringify({
      model: llm.model,
      messages: [
        { role: 'user', content: `${attacks[0]} ${attacks[4]}` },
        { role: 'user', content: task.letter },
      ],
    }),
  });
  if (!response.ok) throw new TypeError(`the model answered ${response.status}: ${await response.text()}`);
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]!.message.content;
}
