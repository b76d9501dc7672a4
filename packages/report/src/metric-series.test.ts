import type { StepMetrics } from '@agent-lightning/run';
import { describe, expect, it } from 'vitest';
import { expandPath, readNumber, readSeries } from './metric-series.ts';

/** Lines of metrics with these figures of an algorithm's own. */
function linesWith(...own: readonly object[]): readonly StepMetrics[] {
  return own.map((figures, index) => ({ step: index + 1, ...figures }) as StepMetrics);
}

describe('a series of metrics', () => {
  it('has the steps that have the number', () => {
    const lines = linesWith({ seconds: { train: 2 } }, {}, { seconds: { train: 'long' } }, { seconds: { train: 0 } });
    expect(readSeries(lines, 'seconds.train')).toEqual([
      { x: 1, y: 2 },
      { x: 4, y: 0 },
    ]);
  });

  it.each(['none', 'none.at.all', 'step.more', 'list.x', ''])('has nothing at the path "%s"', (path) => {
    const [line] = linesWith({ list: [1], nothing: null });
    expect(readNumber(line!, path)).toBeUndefined();
  });
});

describe('a path with *', () => {
  it('stands for each key in its place, of any step, in the order in which they appear', () => {
    const lines = linesWith({}, { policies: { b: { loss: 1 } } }, { policies: { a: { loss: 2 }, b: { loss: 3 } } });
    expect(expandPath(lines, 'policies.*.loss')).toEqual([
      { key: 'b', path: 'policies.b.loss' },
      { key: 'a', path: 'policies.a.loss' },
    ]);
    expect(readSeries(lines, 'policies.b.loss').map(({ x }) => x)).toEqual([2, 3]);
  });

  it('may stand first or last', () => {
    const lines = linesWith({ byKind: { easy: 1 } });
    expect(expandPath(lines, 'byKind.*')).toEqual([{ key: 'easy', path: 'byKind.easy' }]);
    expect(expandPath(lines, '*.easy').map(({ path }) => path)).toEqual(['step.easy', 'byKind.easy']);
  });

  it('stands for nothing where there are no keys', () => {
    expect(expandPath([], 'policies.*.loss')).toEqual([]);
    expect(expandPath(linesWith({ policies: 3 }, { policies: null }), 'policies.*.loss')).toEqual([]);
  });
});

it('a path without * is returned as it is', () => {
  expect(expandPath([], 'loss')).toEqual([{ key: '', path: 'loss' }]);
});
