import { AilmentWatch, type RunFacts, type StepMetrics } from '@agent-lightning/run';
import { describe, expect, it } from 'vitest';
import { grpo } from '../src/index.ts';
import type { GrpoLine } from './run-folder.ts';

const facts: RunFacts = { isControl: false, heldOutTasks: 0, sharedTasks: [] };
const { ailments = [] } = grpo();

type Figures = Partial<Omit<GrpoLine, 'reward'>> & { readonly mean?: number };

/** Returns the line of a step of a healthy run, with other figures where they are given. */
function createLine(step: number, { mean = 0.5, ...figures }: Figures): StepMetrics {
  const reward = {
    mean,
    deviation: Math.sqrt(mean * (1 - mean)),
    lowest: 0,
    highest: 1,
    earned: [0, 1] as const,
    count: 64,
    byKind: {},
  };
  return {
    step,
    reward,
    rollouts: 64,
    failures: {},
    withoutCalls: 0,
    transitions: 64,
    tokensSampled: 640,
    truncatedShare: 0,
    groupsUsed: 6,
    zeroVarianceShare: 0.25,
    tokensProcessed: 1_000,
    optimizerSteps: 1,
    learningRate: 1e-4,
    entropy: 0.8,
    gradientNorm: 0.3,
    klSamplerTrainer: 1e-6,
    clipFraction: 0,
    stalenessMax: 0,
    ...figures,
  } as unknown as StepMetrics;
}

function watchRun(figuresOf: (step: number) => Figures): { readonly codes: string[]; readonly messages: string[] } {
  const watch = new AilmentWatch(ailments, facts);
  const codes = Array.from(
    { length: 9 },
    (_, index) => watch.observe(createLine(index + 1, figuresOf(index + 1))).codes,
  );
  return { codes: [...new Set(codes.flat())], messages: watch.findings.map(({ message }) => message) };
}

const sick: readonly (readonly [code: string, figuresOf: (step: number) => Figures, says: RegExp])[] = [
  [
    'entropy-collapse',
    (step) => ({ entropy: 0.8 / 1.5 ** step }),
    /fell from 0.38 to 0.033 nats a token and the reward did not rise/,
  ],
  [
    'flat-groups',
    () => ({ zeroVarianceShare: 0.8 }),
    /80 % of the groups have equal rewards and teach nothing \(mean reward 0.5\)/,
  ],
  [
    'dead-updates',
    () => ({ gradientNorm: 0, clipFraction: 0.4 }),
    /has been 0 for 3 steps .* \(40 % of the tokens were clipped\)/,
  ],
  ['dead-updates', () => ({ learningRate: 1e-9 }), /the learning rate is 1e-9/],
  ['wild-updates', (step) => ({ mean: step < 5 ? 0.8 : 0.2 }), /training reward fell from 0.8 \(steps 1 to 3\) to 0.2/],
  [
    'wild-updates',
    (step) => ({ entropy: step < 5 ? 0.8 : 0.1 }),
    /the entropy went from 0.8 to 0.1 nats a token in one step/,
  ],
  ['wild-updates', (step) => ({ gradientNorm: step === 8 ? 40 : 0.3 }), /the gradient norm is 40, and 0.3 was usual/],
  ['wild-updates', () => ({ clipFraction: 0.6 }), /60 % of the tokens were clipped in one step/],
  ['sampler-trainer-gap', () => ({ klSamplerTrainer: 0.04 }), /disagree by 0.04 nats a token on the same weights/],
  [
    'sampler-trainer-gap',
    () => ({ klSamplerTrainer: 0.5, stalenessMax: 3 }),
    /are 0.5 nats a token apart, because calls are up to 3 versions old/,
  ],
  [
    'split-samples',
    () => ({ splitCalls: { calls: 7, repeatedTokens: 350 } }),
    /7 model calls .* 35 % of the tokens that are trained through \(350 of 1000\) are read again/,
  ],
];

describe('the ailments of grpo', () => {
  it.each(sick)('name %s, with its numbers', (code, figuresOf, says) => {
    const { codes, messages } = watchRun(figuresOf);
    expect(codes).toContain(code);
    expect(messages[0]).toMatch(says);
  });

  it('have an example each', () => {
    expect([...new Set(sick.map(([code]) => code))].toSorted()).toEqual(ailments.map(({ code }) => code).toSorted());
  });

  it.each([
    ['nothing changes', () => ({})],
    ['entropy falls while the reward rises', (step) => ({ mean: 0.1 * step, entropy: 0.8 / 1.5 ** step })],
    ['groups are flat because all tasks are solved', () => ({ mean: 0.95, zeroVarianceShare: 0.9, entropy: 0.01 })],
    ['calls of other versions differ a little', () => ({ klSamplerTrainer: 0.05, stalenessMax: 2 })],
    [
      'training reward falls, because solved tasks come less often, and held-out reward does not',
      (step) => ({
        mean: step < 5 ? 0.8 : 0.2,
        validation: {
          reward: step / 10,
          interval: [0, 1],
          rollouts: 8,
          failed: 0,
          leftOut: 0,
          byKind: {},
          complete: true,
        },
      }),
    ],
    ['a step has no signal', (step) => ({ groupsUsed: 0, optimizerSteps: 0, gradientNorm: step === 1 ? 0.3 : 0 })],
  ] as [string, (step: number) => Figures][])('are silent when %s', (_, figuresOf) => {
    expect(watchRun(figuresOf).codes).toEqual([]);
  });

  it('look at each of several policies, and name the one that is worst', () => {
    const own = { learningRate: 1e-4, optimizerSteps: 1, tokensTrained: 1, entropy: 0.8, gradientNorm: 0.3 };
    const { codes, messages } = watchRun(
      (step) => ({ policies: { writer: own, planner: { ...own, entropy: 0.8 / 1.5 ** step } } }) as unknown as Figures,
    );
    expect(codes).toEqual(['entropy-collapse']);
    expect(messages[0]).toMatch(/the entropy of "planner" fell/);
  });
});
