import fc from 'fast-check';
import { seededRandom } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import type { EvaluatedFailure, Evaluation } from './evaluation.ts';
import { compareEvaluations, describeVerdict, type Verdict } from './verdict.ts';

function toEvaluation(
  rewards: Evaluation['rewards'],
  failed: number = 0,
  rule: Partial<Pick<Evaluation, 'failureReward' | 'sorting'>> = {},
): Evaluation {
  return {
    tasks: 'the same',
    rewards,
    rollouts: rewards.flat().length,
    failed,
    failureReward: 0,
    sorting: {},
    ...rule,
  };
}

/** Repeats one reward: tasks × samples. */
function always(reward: number, tasks: number, samples: number = 4): Evaluation {
  return toEvaluation(Array.from({ length: tasks }, () => Array.from({ length: samples }, () => reward)));
}

describe('compareEvaluations', () => {
  it('calls a clear gain better, and its mirror worse', () => {
    const [low, high] = [always(0, 20), always(1, 20)];
    expect(compareEvaluations(low, high)).toMatchObject({ answer: 'better', gain: 1, tasks: 20 });
    expect(compareEvaluations(high, low)).toMatchObject({ answer: 'worse', gain: -1, tasks: 20 });
  });

  it('cannot tell where all differences are 0, and says what it could have seen', () => {
    const verdict = compareEvaluations(always(0.5, 30), always(0.5, 30));
    expect(verdict).toMatchObject({ answer: 'cannot-tell', gain: 0 });
    expect(verdict.detectable).toBeGreaterThan(0.05);
    expect(verdict.detectable).toBeLessThan(0.2);
  });

  it.each([1, 2, 3, 4])('cannot tell from %i tasks, whatever they say', (tasks) => {
    expect(compareEvaluations(always(0, tasks), always(1, tasks)).answer).toBe('cannot-tell');
  });

  it('does not believe small gains on all tasks where a single loss would outweigh them', () => {
    const gained = Array.from({ length: 12 }, () => [0.6]);
    const before = toEvaluation([...gained.map(() => [0.5]), [0], [1]]);
    expect(compareEvaluations(before, toEvaluation([...gained, [0], [1]])).answer).toBe('cannot-tell');
  });

  it('leaves out a task that has no reward on one side', () => {
    const verdict = compareEvaluations(toEvaluation([[0, 1], [], [1]]), toEvaluation([[1], [1], [0]], 2));
    expect(verdict).toMatchObject({ tasks: 2, gain: -0.25, baseline: { reward: 0.75 }, candidate: { failed: 2 } });
    expect(() => compareEvaluations(toEvaluation([[]]), always(1, 1))).toThrow('at least one');
  });

  it('gives the failures of both sides the lower failure reward: an agent that did not change is not worse', () => {
    const failure: EvaluatedFailure = { kind: 'unknown', failure: { code: 'PaymentError', message: 'declined' } };
    const rewards = Array.from({ length: 40 }, (_, task) => [1, 1, task % 2 === 0 ? failure : 1, failure]);
    const [before, after] = [toEvaluation(rewards, 60), toEvaluation(rewards, 60, { failureReward: -5 })];
    const mean = 1 - (60 / 160) * 6;
    for (const verdict of [compareEvaluations(before, after), compareEvaluations(after, before)])
      expect(verdict).toMatchObject({
        answer: 'cannot-tell',
        gain: 0,
        baseline: { reward: mean, failed: 60 },
        candidate: { reward: mean, failed: 60 },
      });
  });

  it('sorts the failures of both sides as the candidate’s are', () => {
    const declined = (kind: EvaluatedFailure['kind']) => ({
      kind,
      failure: { code: 'PaymentError', message: 'declined' },
    });
    const away: EvaluatedFailure = { kind: 'world', failure: { code: 'agent-failed', message: 'the model was away' } };
    const cancelled: EvaluatedFailure = { kind: 'world' };
    const sorting = { PaymentError: 'world' } as const;
    const counts = toEvaluation([[1, declined('unknown'), away, cancelled], [declined('unknown')]]);
    const leavesOut = toEvaluation([[1, declined('world')], [0.5]], 1, { sorting });
    expect(compareEvaluations(counts, leavesOut)).toMatchObject({ tasks: 1, gain: 0, baseline: { reward: 1 } });
    expect(compareEvaluations(leavesOut, counts)).toMatchObject({
      tasks: 2,
      baseline: { reward: 0.5 },
      candidate: { reward: 0.25 },
    });
  });

  it('rejects evaluations of different tasks', () => {
    const other = { ...always(1, 20), tasks: 'others' };
    expect(() => compareEvaluations(always(1, 20), other)).toThrow(/those of the baseline, the same.*got others/);
  });

  it('mirrors, shifts and scales with the rewards', () => {
    const side = fc.array(fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 4 }), {
      minLength: 6,
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        side,
        side,
        fc.constantFrom(0.5, 4),
        fc.integer({ min: -9, max: 9 }),
        (before, after, scale, shift) => {
          fc.pre(new Set([...before, ...after].flat()).size > 1);
          const verdict = compareEvaluations(toEvaluation(before), toEvaluation(after));
          const mirrored = compareEvaluations(toEvaluation(after), toEvaluation(before));
          expect(mirrored.gain).toBeCloseTo(-verdict.gain, 9);
          expect(mirrored.interval[0]).toBeCloseTo(-verdict.interval[1], 9);
          expect(mirrored.detectable).toBeCloseTo(verdict.detectable, 9);
          const move = (rewards: readonly (readonly number[])[]) =>
            toEvaluation(rewards.map((own) => own.map((reward) => scale * reward + shift)));
          const moved = compareEvaluations(move(before), move(after));
          expect(moved.gain).toBeCloseTo(scale * verdict.gain, 9);
          expect(moved.interval[1]).toBeCloseTo(scale * verdict.interval[1], 9);
        },
      ),
    );
  });
});

describe('describeVerdict', () => {
  it('says the answer, the interval, both rewards and the failures', () => {
    const verdict: Verdict = {
      answer: 'better',
      gain: 0.31,
      interval: [0.24, 0.38],
      detectable: 0.1,
      tasks: 80,
      baseline: { reward: 0.33, rollouts: 320, failed: 0 },
      candidate: { reward: 0.64, rollouts: 320, failed: 2 },
    };
    expect(describeVerdict(verdict)).toBe(
      'better by 0.310 (+0.240 to +0.380): reward 0.330 → 0.640 on 80 tasks, failed rollouts 0 of 320 → 2 of 320',
    );
    expect(describeVerdict({ ...verdict, answer: 'worse', gain: -0.31, interval: [-0.38, -0.24] })).toMatch(
      /^worse by 0\.310 \(−0\.380 to −0\.240\)/,
    );
    expect(describeVerdict({ ...verdict, answer: 'cannot-tell', gain: 0, interval: [-0.05, 0.05] })).toMatch(
      /^can't tell \(0\.000, −0\.050 to \+0\.050; could have seen ≥ 0\.100\)/,
    );
  });
});

type Draw = (random: () => number) => { readonly before: number; readonly after: number };

/** Simulates comparisons of policies that succeed with the drawn probabilities, and returns the share of each answer. */
function simulate(
  name: string,
  runs: number,
  tasks: number,
  draw: Draw,
  samples = 4,
): Record<Verdict['answer'], number> {
  const random = seededRandom(0, name);
  const counts = { better: 0, worse: 0, 'cannot-tell': 0 };
  for (let run = 0; run < runs; run++) {
    const chances = Array.from({ length: tasks }, () => draw(random));
    const roll = (side: 'before' | 'after') =>
      toEvaluation(chances.map((each) => Array.from({ length: samples }, () => (random() < each[side] ? 1 : 0))));
    counts[compareEvaluations(roll('before'), roll('after')).answer] += 1 / runs;
  }
  return counts;
}

describe('simulated policies', () => {
  const equal: readonly (readonly [string, Draw])[] = [
    ['half', () => ({ before: 0.5, after: 0.5 })],
    ['rare successes', () => ({ before: 0.03, after: 0.03 })],
    ['of all kinds', toBoth((random) => random())],
    ['mostly certain', toBoth((random) => [0, 1, 0, 1, 0, 1, 0.5][Math.floor(random() * 7)]!)],
    // The mean gain is 0: one task in ten is lost, and the others gain a little.
    ['lopsided', (random) => (random() < 0.1 ? { before: 1, after: 0 } : { before: 0.4, after: 0.4 + 1 / 9 })],
  ];
  it.each(equal)('call equal policies (%s) better in at most 2.5 % of the comparisons, or worse', (name, draw) => {
    for (const [tasks, runs] of [
      [8, 1_000],
      [24, 1_000],
      [100, 200],
    ] as const) {
      const { better, worse } = simulate(`${name} ${tasks}`, runs, tasks, draw);
      const slack = 2 * Math.sqrt((0.025 * 0.975) / runs); // two standard errors of the count
      expect(Math.max(better, worse)).toBeLessThan(0.025 + slack);
    }
  });

  it('sees a gain of 0.1 on 150 tasks with 4 samples each in at least 8 of 10 comparisons', () => {
    const gain = simulate('gain', 300, 150, () => ({ before: 0.45, after: 0.55 }));
    expect(gain.better).toBeGreaterThan(0.8);
    expect(gain.worse).toBe(0);
  });

  it('sees the gain that it says it could have seen in about 4 of 5 comparisons', () => {
    const random = seededRandom(1, 'detectable');
    const roll = (chance: number) =>
      toEvaluation(Array.from({ length: 60 }, () => Array.from({ length: 4 }, () => (random() < chance ? 1 : 0))));
    const said = Array.from({ length: 100 }, () => compareEvaluations(roll(0.5), roll(0.5)).detectable);
    const detectable = said.reduce((sum, gain) => sum + gain, 0) / said.length;
    const { better } = simulate('detectable', 600, 60, () => ({
      before: 0.5 - detectable / 2,
      after: 0.5 + detectable / 2,
    }));
    expect(better).toBeGreaterThan(0.74);
    expect(better).toBeLessThan(0.86);
  });
});

function toBoth(draw: (random: () => number) => number): Draw {
  return (random) => {
    const chance = draw(random);
    return { before: chance, after: chance };
  };
}
