import { describe, expect, it } from 'vitest';
import {
  AilmentWatch,
  commonAilments,
  historyFigures,
  findSharedTasks,
  type RunFacts,
  type StepMetrics,
  type ValidationMetrics,
} from '../../src/index.ts';
import { addLine, beginHistory } from '../../src/ailments/run-history.ts';
import { createLines, createReward, plainFacts } from './lines.ts';

interface Sick {
  readonly code: string;
  readonly figuresOf: (step: number) => Partial<StepMetrics>;
  readonly facts?: RunFacts;
  /** What the sentence must say. */
  readonly says: RegExp;
}

const held = (reward: number): ValidationMetrics => ({
  reward,
  rollouts: 64,
  failed: 0,
  leftOut: 0,
  interval: [0, 1],
  byKind: {},
  complete: true,
});

const sick: readonly Sick[] = [
  {
    code: 'survivors-only',
    figuresOf: (step) => ({
      reward: createReward(0.6, 64 - 6 * step),
      failed: 6 * step,
      failures: { 'agent-failed': 6 * step },
    }),
    says: /47 % of the rollouts have no reward and teach nothing, 19 % had none at first \(most of them agent-failed\)/,
  },
  {
    code: 'held-out-falls',
    figuresOf: (step) => ({ reward: createReward(0.1 * step), validation: held(0.8 - 0.08 * step) }),
    says: /held-out reward fell from 0.72 after step 1 to 0.32, while training reward rose from 0.2 to 0.5/,
  },
  {
    code: 'control-learns',
    figuresOf: (step) => ({ reward: createReward(0.1 * step) }),
    facts: { ...plainFacts, isControl: true },
    says: /this control run learns: its reward rose from 0.2 to 0.7/,
  },
  {
    code: 'noise-rewards',
    figuresOf: () => ({
      answers: {
        sameTask: 0.5,
        otherTask: 0.2,
        repeated: { between: 4, betweenDegrees: 20, within: 6, withinDegrees: 30 },
      },
    }),
    says: /differ by 0.45, as much as different answers do \(ratio of the variances 1, over 100 answers\)/,
  },
  {
    code: 'template-collapse',
    figuresOf: (step) => ({ answers: { sameTask: 0.6, otherTask: step < 4 ? 0.3 : 0.595 } }),
    says: /as similar \(0.59 of 1\) as those to one task \(0.6\), the difference was 0.3/,
  },
  {
    code: 'length-growth',
    figuresOf: (step) => ({ tokensSampled: 640 * step }),
    says: /samples 50 tokens, 2.5 times as many as at first \(20\)/,
  },
  { code: 'truncation', figuresOf: () => ({ truncatedShare: 0.25 }), says: /25 % of the model calls were cut off/ },
  {
    code: 'leaked-tasks',
    figuresOf: () => ({}),
    facts: { ...plainFacts, sharedTasks: ['{"a":1}', '{"a":2}'] },
    says: /2 of 16 validation tasks are training tasks too, such as \{"a":1\}/,
  },
];

/** Runs that look sick at a glance. */
const healthy: readonly Omit<Sick, 'says' | 'code'>[] = [
  { figuresOf: () => ({}) },
  // A reward that wavers as much as eight binary tasks a step do.
  { figuresOf: (step) => ({ reward: createReward([0.5, 0.42, 0.58, 0.47, 0.61, 0.4][step % 6]!) }) },
  // Failures at random, always as many.
  {
    figuresOf: (step) => ({
      reward: createReward(0.5, 42 + (step % 6)),
      failures: { 'agent-failed': 22 - (step % 6) },
    }),
  },
  // Longer answers that earn more.
  { figuresOf: (step) => ({ tokensSampled: 640 * step, reward: createReward(0.1 + 0.09 * step) }) },
  // Answers become alike because one answer is right for every task.
  {
    figuresOf: (step) => ({
      reward: step < 5 ? createReward(0.3) : { ...createReward(1), lowest: 1, earned: [1, 1] },
      answers: { sameTask: step < 5 ? 0.3 : 1, otherTask: step < 5 ? 0.2 : 1 },
    }),
  },
  // A control that stays where it was, and held-out reward within its error.
  { figuresOf: (step) => ({ validation: held(0.5 + 0.05 * (step % 3)) }), facts: { ...plainFacts, isControl: true } },
  // Noise that is left when everything is solved.
  {
    figuresOf: () => ({
      reward: createReward(0.95),
      answers: {
        sameTask: 0.9,
        otherTask: 0.2,
        repeated: { between: 4, betweenDegrees: 20, within: 6, withinDegrees: 30 },
      },
    }),
  },
];

function watchRun({ figuresOf, facts = plainFacts }: Omit<Sick, 'says' | 'code'>): {
  readonly codes: readonly string[];
  readonly messages: readonly string[];
} {
  const watch = new AilmentWatch([], facts);
  watch.begin(undefined);
  const codes = createLines(8, figuresOf).flatMap((line) => watch.observe(line).codes);
  return { codes: [...new Set(codes)], messages: watch.findings.map(({ message }) => message) };
}

describe('the ailments of every run', () => {
  it.each(sick)('name $code, with its numbers, and nothing else', ({ code, says, ...run }) => {
    const { codes, messages } = watchRun(run);
    expect(codes).toEqual([code]);
    expect(messages[0]).toMatch(says);
  });

  it('have an example each', () => {
    expect(commonAilments.map(({ code }) => code).toSorted()).toEqual(sick.map(({ code }) => code).toSorted());
  });

  it.each(healthy.map((run, index) => ({ ...run, index })))('are silent in healthy run $index', (run) => {
    expect(watchRun(run).codes).toEqual([]);
  });

  it('measure by what was earned, however low the reward of failures is', () => {
    const withFailures = (mean: number): StepMetrics['reward'] => ({ ...createReward(mean), lowest: -10 });
    const repeated = { between: 4, betweenDegrees: 20, within: 6, withinDegrees: 30 };
    const noise = (): Partial<StepMetrics> => ({
      reward: withFailures(0.4), // in the highest tenth of −10 to 1
      answers: { sameTask: 0.5, otherTask: 0.2, repeated },
    });
    expect(watchRun({ figuresOf: noise }).codes).toEqual(['noise-rewards']);
    const facts = { ...plainFacts, isControl: true };
    expect(watchRun({ figuresOf: (step) => ({ reward: withFailures(0.1 * step) }), facts }).codes).toEqual([
      'control-learns',
    ]);
    const falling = createLines(8, (step) => ({ reward: withFailures(step < 5 ? 0.9 : 0.3) }));
    const history = falling.reduce(addLine, beginHistory(plainFacts));
    expect(historyFigures.compareRewardToBest(history)).toMatchObject({ from: 0.9, to: 0.3, steps: '1 to 3' });
  });

  it('say nothing of lines that an older version wrote', () => {
    const watch = new AilmentWatch([], plainFacts);
    for (const line of createLines(8, () => ({ reward: { mean: 0.5, deviation: 0.5, count: 64, byKind: {} } })))
      expect(watch.observe(line).codes).toEqual([]);
  });
});

describe('findSharedTasks', () => {
  it('finds equal tasks whatever the order of their keys', () => {
    const train = [{ a: 1, b: { c: 2, d: [1, 2] } }, 'x'];
    expect(findSharedTasks(train, [{ b: { d: [1, 2], c: 2 }, a: 1 }, { a: 1, b: { c: 2, d: [2, 1] } }, 'y'])).toEqual([
      '{"a":1,"b":{"c":2,"d":[1,2]}}',
    ]);
  });
});
