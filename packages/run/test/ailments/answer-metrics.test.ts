import type { Episode } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { measureAnswers } from '../../src/index.ts';

interface Given {
  readonly task: number;
  /** The response tokens of each call. */
  readonly calls: readonly (readonly number[])[];
  readonly reward?: number;
}

function toEpisodes(given: readonly Given[]): readonly Episode[] {
  return given.map(
    ({ task, calls, reward }) =>
      ({
        rollout: { input: { task } },
        transitions: calls.map((tokens) => ({ responseIds: Int32Array.from(tokens) })),
        reward,
      }) as unknown as Episode,
  );
}

/** The naive way: the cosine of every pair. */
function compareAllPairs(given: readonly Given[], isPair: (a: Given, b: Given) => boolean): number {
  const countPairs = ({ calls }: Given): Map<string, number> => {
    const tokens = calls.flat();
    const keys = tokens.length === 1 ? [`${tokens[0]}`] : tokens.slice(1).map((token, t) => `${tokens[t]},${token}`);
    return new Map([...Map.groupBy(keys, (key) => key)].map(([key, own]) => [key, own.length]));
  };
  const cosine = (a: Map<string, number>, b: Map<string, number>): number => {
    const dot = [...a].reduce((sum, [key, value]) => sum + value * (b.get(key) ?? 0), 0);
    return (
      dot / Math.sqrt([...a.values()].reduce((s, v) => s + v * v, 0) * [...b.values()].reduce((s, v) => s + v * v, 0))
    );
  };
  const values = given.flatMap((a, i) =>
    given.flatMap((b, j) => (i !== j && isPair(a, b) ? [cosine(countPairs(a), countPairs(b))] : [])),
  );
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const answer = fc.record({
  task: fc.nat(2),
  calls: fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 }),
  reward: fc.integer({ min: 0, max: 4 }),
});

describe('measureAnswers', () => {
  it('equals the mean cosine over all pairs', () => {
    fc.assert(
      fc.property(fc.array(answer, { minLength: 3, maxLength: 12 }), (given) => {
        const measured = measureAnswers(toEpisodes(given));
        const tasks = new Set(given.map(({ task }) => task)).size;
        if (tasks < 2 || tasks === given.length) return void expect(measured).toBeUndefined();
        expect(measured!.sameTask).toBeCloseTo(
          compareAllPairs(given, (a, b) => a.task === b.task),
          9,
        );
        expect(measured!.otherTask).toBeCloseTo(
          compareAllPairs(given, (a, b) => a.task !== b.task),
          9,
        );
      }),
    );
  });

  it('splits the variance of the rewards of each task: both parts sum to the whole', () => {
    fc.assert(
      fc.property(fc.array(answer, { minLength: 4, maxLength: 12 }), (given) => {
        const repeated = measureAnswers(toEpisodes(given))?.repeated;
        const groups = [...Map.groupBy(given, ({ task }) => task).values()].filter((own) => {
          const different = new Set(own.map(({ calls }) => calls.flat().join(','))).size;
          return different > 1 && different < own.length;
        });
        if (repeated === undefined) return;
        const squares = groups.map((own) => {
          const mean = own.reduce((sum, { reward }) => sum + reward, 0) / own.length;
          return own.reduce((sum, { reward }) => sum + (reward - mean) ** 2, 0);
        });
        expect(repeated.between + repeated.within).toBeCloseTo(
          squares.reduce((sum, value) => sum + value, 0),
          9,
        );
        expect(repeated.betweenDegrees + repeated.withinDegrees).toBe(
          groups.reduce((sum, own) => sum + own.length - 1, 0),
        );
      }),
    );
  });

  it('tells a reward of the answer from one that is noise', () => {
    const given = [1, 1, 2, 2].map((token, index) => ({ task: 0, calls: [[token]], reward: index < 2 ? 1 : 0 }));
    const other = { task: 1, calls: [[3]], reward: 1 };
    expect(measureAnswers(toEpisodes([...given, other]))!.repeated).toEqual({
      between: 1,
      betweenDegrees: 1,
      within: 0,
      withinDegrees: 2,
    });
    const noisy = given.map((each, index) => ({ ...each, reward: index % 2 }));
    expect(measureAnswers(toEpisodes([...noisy, other]))!.repeated).toEqual({
      between: 0,
      betweenDegrees: 1,
      within: 1,
      withinDegrees: 2,
    });
  });

  it('leaves out rollouts without answers, and rewards that are not there', () => {
    const given: readonly Given[] = [
      { task: 0, calls: [[1, 2]] },
      { task: 0, calls: [[1, 2]] },
      { task: 1, calls: [[5, 6]], reward: 1 },
      { task: 1, calls: [], reward: 0 },
    ];
    expect(measureAnswers(toEpisodes(given))).toEqual({ sameTask: 1, otherTask: 0 });
  });
});
