import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom, type Rollout } from '@agent-lightning/core';
import { gepa, promptTemplate } from '@agent-lightning/prompt-optimizer';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer, type TrainingResult } from '@agent-lightning/trainer';

/** A task: the agent answers all of them by a coin. */
interface CoinTask {
  readonly number: number;
}

/** The sentence that may lift the reward. */
const lifting = 'Check the answer before you send it.';

/** The sentences of which a scripted reflection model adds one, whatever it reads. */
const sentences = [
  lifting,
  'Be friendly.',
  'Think step by step.',
  'Answer in English.',
  'Keep it short.',
  'Be precise.',
  'Use simple words.',
  'You are an expert.',
];

/** The mean reward without the sentence. */
const usualReward = 0.5;

/** What a run came to. */
export interface CoinRun {
  readonly answer: 'better' | 'worse' | 'cannot-tell';
  /** True when the prompt that the run wrote has the sentence that lifts the reward. */
  readonly hasLifting: boolean;
  /** True when the run wrote another prompt than it was given. */
  readonly isChanged: boolean;
  readonly rollouts: number;
}

/**
 * Searches for a better prompt by GEPA, through a real trainer. The agent earns 1 or 0 by a coin that follows from the seed and the rollout.
 * @param liftedReward the mean reward with the lifting sentence; with `usualReward` all prompts are alike
 */
export async function searchByCoin(
  seed: number,
  {
    liftedReward,
    budget,
    runDirectory,
  }: { readonly liftedReward: number; readonly budget: number; readonly runDirectory: string },
): Promise<CoinRun> {
  const prompt = promptTemplate('answer', 'Answer task {{number}}.');
  let requests = 0;
  let rollouts = 0;
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  const trainer = new Trainer<CoinTask>({
    algorithm: gepa({
      prompts: [prompt],
      reflection: async (request) => {
        const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(request)!;
        const random = seededRandom(seed, `reflection/${(requests += 1)}`);
        const left = sentences.filter((sentence) => !current!.includes(sentence));
        return `<new_prompt>${current} ${left[Math.floor(random() * left.length)] ?? ''}</new_prompt>`;
      },
      budget,
    }),
    rollout: ({ number }, { rollout }) => {
      rollouts += 1;
      const hasLifting = prompt.render({ number }).includes(lifting);
      return Number(flipCoin(seed, rollout) < (hasLifting ? liftedReward : usualReward));
    },
    store: new MemoryStore(),
    seed,
    runDirectory,
    logger: silent,
    progress: 'none',
    handleSignals: false,
    checkpointEvery: 1000,
  });
  const result: TrainingResult = await trainer.fit({
    train: makeTasks(0, 60),
    validation: makeTasks(60, 50),
    verdict: { samples: 2, step: 'last' },
  });
  const text = await readFile(join(runDirectory, 'model/prompts/answer.md'), 'utf8');
  return {
    answer: result.verdict!.answer,
    hasLifting: text.includes(lifting),
    isChanged: text !== prompt.text,
    rollouts,
  };
}

function makeTasks(first: number, count: number): readonly CoinTask[] {
  return Array.from({ length: count }, (_, index) => ({ number: first + index }));
}

/** Flips the coin of a rollout: the same whenever the run is repeated, and another one for each rollout of a task. */
function flipCoin(seed: number, { mode, metadata }: Rollout): number {
  return seededRandom(seed, `coin/${mode}/${JSON.stringify(metadata)}`)();
}
