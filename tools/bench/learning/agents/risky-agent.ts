import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@agent-lightning/core';
import type { RolloutContext } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { grpo, Trainer, type GrpoOptions } from '@agent-lightning/trainer';
import { GraphRecursionError } from '@langchain/langgraph';
import { AnswerTable, letters } from './answer-table.ts';

/** Answers from the second half of the letters are risky. */
const firstRisky = letters.length / 2;
/** The share of risky answers that end in a failure; the others earn 1. A safe answer earns 0.5. */
const failureShare = 0.9;

/** A service of the agent that is away. */
export class OutageError extends Error {}

/** The options of one run of the risky agent. */
export interface RiskyRun {
  readonly seed: number;
  readonly estimator: NonNullable<GrpoOptions['estimator']>;
  readonly failure: 'plain' | 'recursion';
  /** The share of attempts that fail at random by the world's doing. */
  readonly outages: number;
  readonly steps: number;
}

/** The result of one run: held-out reward, and the expected reward of a sampled answer when a failure is worth 0. */
export interface RiskyResult {
  readonly heldOutBefore: number;
  readonly heldOutAfter: number;
  readonly worth: number;
  readonly stopReason: string;
}

/** Trains the risky agent through the whole trainer: runner, gateway and store included. */
export async function trainRiskyAgent(run: RiskyRun): Promise<RiskyResult> {
  const folder = await mkdtemp(join(tmpdir(), 'risky-agent-'));
  const backend = new AnswerTable();
  const store = new MemoryStore();
  const tasks = [...letters];
  try {
    const trainer = new Trainer<string>({
      rollout: (task, context) => answer(task, context, run),
      backend,
      store,
      runDirectory: join(folder, 'run'),
      algorithm: grpo({ groupSize: 8, tasksPerStep: tasks.length, learningRate: 0.1, estimator: run.estimator }),
      failures: { OutageError: 'world' },
      retry: { backoffMs: 0 },
      seed: run.seed,
      checkpointEvery: run.steps,
      progress: 'none',
      logger: { info: () => undefined, warn: () => undefined, error: (message) => console.error(message) },
    });
    const result = await trainer.fit({ train: tasks, validation: tasks, steps: run.steps });
    return {
      heldOutBefore: result.validationBefore!,
      heldOutAfter: result.validationAfter!,
      worth: tasks.reduce((sum, task) => sum + worthOf(backend.answerProbabilities(task)), 0) / tasks.length,
      stopReason: result.stopReason,
    };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function answer(task: string, { rollout, attempt, llm, signal }: RolloutContext, run: RiskyRun): Promise<number> {
  const { seed, outages, failure } = run;
  if (seededRandom(seed, `outage/${rollout.rolloutId}/${attempt.attemptNumber}`)() < outages)
    throw new OutageError('the service is away');
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: task }] }),
  });
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  if (letters.indexOf(choices[0]!.message.content) < firstRisky) return 0.5;
  if (seededRandom(seed, `failure/${rollout.rolloutId}`)() >= failureShare) return 1;
  throw failure === 'plain'
    ? new Error('the answer could not be used')
    : new GraphRecursionError('Recursion limit of 25 reached without hitting a stop condition.');
}

function worthOf(probabilities: readonly number[]): number {
  const safe = probabilities.slice(0, firstRisky).reduce((sum, probability) => sum + probability, 0);
  return 0.5 * safe + (1 - failureShare) * (1 - safe);
}
