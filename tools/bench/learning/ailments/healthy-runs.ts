/** Runs with nothing wrong in them, as different from each other as users' runs are. */
import { seededRandom } from '@agent-lightning/core';
import type { GrpoOptions } from '@agent-lightning/trainer';
import { ask, readOffset, scoreAnswer, type LetterRun, type LetterTask } from './letter-run.ts';

/** The steps of a healthy run: enough to learn most of the task. */
const steps = 12;

/** An agent, and how its answers are rewarded. */
interface Agent {
  readonly score?: (task: LetterTask, answer: string, random: () => number) => number;
  /** User turns of a rollout. @default 1 */
  readonly turns?: number;
}

/** A reward for being near, so that a wrong answer may earn something. */
function scoreNearness(task: LetterTask, answer: string): number {
  return [0.4, 1, 0.4][readOffset(task, answer)] ?? 0;
}

const agents: readonly Agent[] = [
  {},
  { score: scoreNearness },
  { turns: 3 },
  // A judge whose score wavers.
  { score: (task, answer, random) => 0.8 * scoreAnswer(task, answer) + 0.1 * random() },
  // One rollout of five fails for reasons that have nothing to do with the answer.
  {
    score: (task, answer, random) => {
      if (random() < 0.2) throw new RangeError('the connection was reset');
      return scoreAnswer(task, answer);
    },
  },
];

const algorithms: readonly GrpoOptions[] = [
  {},
  { estimator: 'dr_grpo', learningRate: 0.15 },
  { minibatches: 4, learningRate: 0.2 },
  { estimator: 'rloo', loss: 'cispo', learningRate: 0.6 },
];

/** Every agent with every algorithm. */
export const healthyRuns: readonly LetterRun[] = agents.flatMap((agent) =>
  algorithms.map((algorithm) => createRun(agent, algorithm)),
);

function createRun({ score = scoreAnswer, turns = 1 }: Agent, algorithm: GrpoOptions): LetterRun {
  return {
    steps,
    algorithm,
    model: { rightLogit: 1 },
    trainer: {
      rollout: async (task, context) => {
        const question = `${task.prefix}${task.letter}`;
        const answer = await ask(context, Array<string>(turns).fill(question));
        return score(task, answer, seededRandom(1, context.rollout.rolloutId));
      },
    },
  };
}
