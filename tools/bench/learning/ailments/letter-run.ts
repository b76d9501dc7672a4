/** Trains the letter model on a task through the whole product: trainer, store, runner, gateway over HTTP. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LightningError } from '@agent-lightning/core';
import { grpo, Trainer, type GrpoOptions, type TrainerOptions } from '@agent-lightning/trainer';
import { LetterBackend, letters, type LetterModelOptions } from './letter-model.ts';

/** "Which letter follows this one?", asked in words that differ, so that validation can ask in others. */
export interface LetterTask {
  readonly letter: string;
  readonly prefix: string;
}

export type LetterContext = Parameters<TrainerOptions<LetterTask>['rollout']>[1];

/** A run of the letter model; what is not given is a healthy run. */
export interface LetterRun {
  readonly model?: LetterModelOptions;
  readonly algorithm?: GrpoOptions;
  readonly trainer?: Partial<Omit<TrainerOptions<LetterTask>, 'backend' | 'algorithm' | 'runDirectory'>>;
  readonly train?: readonly LetterTask[];
  readonly validation?: readonly LetterTask[];
  readonly steps: number;
}

/** The result of a run, in its own words. */
export interface LetterResult {
  /** Each ailment and the step whose line has it first; 0 when it was told before the first step. */
  readonly named: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
  /** Mean training reward of the first and of the last step. */
  readonly reward: readonly [first: number, last: number];
}

const prefixes = [...letters].map((letter) => `${letter}a`);

/** Tasks to train on, and others to validate on: each letter, after other letters that do not matter. */
export const trainTasks: readonly LetterTask[] = makeTasks(prefixes.slice(0, 6));
export const heldOutTasks: readonly LetterTask[] = makeTasks(prefixes.slice(6));

function makeTasks(given: readonly string[]): readonly LetterTask[] {
  return given.flatMap((prefix) => [...letters].map((letter) => ({ letter, prefix })));
}

/** Trains in a directory that is removed afterwards. */
export async function runLetters(run: LetterRun, seed: number): Promise<LetterResult> {
  const runDirectory = await mkdtemp(join(tmpdir(), 'letters-'));
  const warnings: string[] = [];
  try {
    const trainer = new Trainer<LetterTask>({
      rollout: async (task, context) => scoreAnswer(task, await ask(context, [`${task.prefix}${task.letter}`])),
      backend: new LetterBackend(run.model),
      algorithm: grpo({ groupSize: 8, tasksPerStep: 8, learningRate: 0.3, maxTokens: 8, ...run.algorithm }),
      logger: { info: () => {}, warn: (message) => void warnings.push(message), error: () => {} },
      progress: 'none',
      handleSignals: false,
      checkpointEvery: run.steps,
      seed,
      ...run.trainer,
      runDirectory: join(runDirectory, 'run'),
    });
    const { train = trainTasks, validation = heldOutTasks, steps } = run;
    await trainer.fit({ train, validation, steps, validationEvery: 3 }).catch((error: unknown) => {
      if (!LightningError.isInstance(error) || error.code !== 'no-signal') throw error;
      warnings.push(error.message); // such a run has said what it had to say before it stopped
    });
    return { ...(await readResult(join(runDirectory, 'run'))), warnings };
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
}

async function readResult(runDirectory: string): Promise<Omit<LetterResult, 'warnings'>> {
  const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; ailments?: string[]; reward: { mean?: number } });
  const named: Record<string, number> = {};
  for (const { step, ailments = [] } of lines) for (const code of ailments) named[code] ??= step;
  return { named, reward: [lines[0]!.reward.mean ?? 0, lines.at(-1)!.reward.mean ?? 0] };
}

/** Asks the policy in a conversation of user turns, and returns its last answer. */
export async function ask({ llm, signal }: LetterContext, turns: readonly string[]): Promise<string> {
  const messages: { role: string; content: string }[] = [];
  for (const content of turns) {
    messages.push({ role: 'user', content });
    const response = await fetch(`${llm.baseUrl}/chat/completions`, {
      method: 'POST',
      signal,
      headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: llm.model, messages }),
    });
    if (!response.ok) throw new TypeError(`the model answered ${response.status}: ${await response.text()}`);
    const body = (await response.json()) as { choices: { message: { content: string } }[] };
    messages.push({ role: 'assistant', content: body.choices[0]!.message.content });
  }
  return messages.at(-1)!.content;
}

/** Returns the letter that an answer begins with, as its place after the letter of the task: 1 is right. */
export function readOffset({ letter }: LetterTask, answer: string): number {
  return (letters.indexOf(answer[0]!) - letters.indexOf(letter) + letters.length) % letters.length;
}

/** 1 for the right letter, else 0. */
export function scoreAnswer(task: LetterTask, answer: string): number {
  return readOffset(task, answer) === 1 ? 1 : 0;
}
