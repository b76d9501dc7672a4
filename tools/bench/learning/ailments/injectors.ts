/** Runs with something wrong in them, one for each ailment: in the agent, the reward, the tasks, the model or the options. */
import { seededRandom } from '@agent-lightning/core';
import { letters } from './letter-model.ts';
import {
  ask,
  heldOutTasks,
  readOffset,
  scoreAnswer,
  trainTasks,
  type LetterContext,
  type LetterRun,
  type LetterTask,
} from './letter-run.ts';

/** The steps within which an ailment must be named. */
export const stepLimit = 10;

/** Returns the run in which an ailment is injected; called anew for each run, since agents may remember. */
export type Injector = () => LetterRun;

/** The injectors, by the code of the ailment that they must bring about. */
export const injectors: Readonly<Record<string, Injector>> = {
  'leaked-tasks': () => ({ steps: 1, validation: [...heldOutTasks, ...trainTasks.slice(0, 4)] }),
  // The second half of the letters mostly throws, which the user took for the world's, and else earns more: those who survive it look good.
  'survivors-only': () => ({
    ...withReward(
      (_, answer, random) => {
        if (letters.indexOf(answer[0]!) < letters.length / 2) return 0.2;
        if (random() < 0.9) throw new RangeError('the agent reached its limit of turns');
        return 1;
      },
      { failures: { RangeError: 'world' }, retry: { maxAttempts: 1 } },
    ),
    algorithm: { learningRate: 0.6 },
  }),
  // The reward of the training tasks can be had by a wrong answer, which validation does not reward.
  'held-out-falls': () => ({
    ...withReward((task, answer, _, mode) =>
      mode === 'train' ? ([0, 0.2, 1][readOffset(task, answer)] ?? 0) : scoreAnswer(task, answer),
    ),
    model: { rightLogit: 1 },
    algorithm: { learningRate: 0.8 },
  }),
  // An agent that keeps the answers that earned a reward gets better without its policy.
  'control-learns': () => {
    const known = new Map<string, string>();
    const reward: Reward = (task, answer, random) => {
      const key = `${task.prefix}${task.letter}`;
      const given = known.get(key) ?? answer;
      if (scoreAnswer(task, given) === 1 && random() < 0.6) known.set(key, given);
      return scoreAnswer(task, given);
    };
    return {
      ...withReward(reward, { control: 'shuffled' }),
      train: trainTasks.slice(0, 24),
    };
  },
  'noise-rewards': () => withReward((_task, _answer, random) => (random() < 0.5 ? 1 : 0)),
  // A reward that pays for one letter whatever was asked, and a little more where that letter is right.
  'template-collapse': () => ({
    ...withReward((task, answer) => (answer.startsWith('c') ? 0.6 + 0.4 * scoreAnswer(task, answer) : 0)),
    model: { endLogit: 8 },
    algorithm: { learningRate: 2 },
  }),
  // A judge that compares with the answers before prefers the longer one, so that nobody gains by it.
  'length-growth': () => {
    let usual = 1;
    return {
      ...withReward((_, answer) => {
        const longer = Math.max(-2, Math.min(2, answer.length - usual));
        usual += (answer.length - usual) / 32;
        return longer;
      }),
      algorithm: { maxTokens: 32 },
    };
  },
  truncation: () => ({ ...withReward(scoreAnswer), model: { endLogit: -1 }, algorithm: { learningRate: 0.01 } }),
  'entropy-collapse': () => ({
    ...withReward((_task, _answer, random) => (random() < 0.5 ? 1 : 0)),
    algorithm: { learningRate: 6 },
  }),
  'flat-groups': () => withReward((task, answer) => (answer.length > 6 ? scoreAnswer(task, answer) : 0)),
  'dead-updates': () => ({ ...withReward(scoreAnswer), model: { isFrozen: true } }),
  'wild-updates': () => ({ ...withReward(scoreAnswer), algorithm: { learningRate: 30 } }),
  'sampler-trainer-gap': () => ({ ...withReward(scoreAnswer), model: { hiddenTemperature: 0.7 } }),
  'split-samples': () => ({
    steps: 2,
    model: { dropsThoughts: true, endLogit: 0.5 },
    trainer: {
      rollout: async (task, context) =>
        scoreAnswer(task, await ask(context, Array<string>(4).fill(`${task.prefix}${task.letter}`))),
    },
  }),
};

type Reward = (task: LetterTask, answer: string, random: () => number, mode: 'train' | 'val' | 'test') => number;

/** Returns a run with another reward. `random` is drawn anew for each rollout, in the same way whenever the run is repeated. */
function withReward(reward: Reward, trainer: LetterRun['trainer'] = {}): LetterRun {
  return {
    steps: stepLimit,
    trainer: {
      ...trainer,
      rollout: async (task: LetterTask, context: LetterContext) => {
        const answer = await ask(context, [`${task.prefix}${task.letter}`]);
        return reward(task, answer, seededRandom(0, context.rollout.rolloutId), context.mode);
      },
    },
  };
}
