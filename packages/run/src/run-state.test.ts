import { describe, expect, it } from 'vitest';
import type { ValidationMetrics } from './metrics.ts';
import { chooseBest, initialState } from './run-state.ts';

function validation(selection?: number): ValidationMetrics {
  const base = {
    reward: 0.5,
    interval: [0.4, 0.6] as const,
    rollouts: 8,
    failed: 0,
    leftOut: 0,
    byKind: {},
    complete: true,
  };
  return selection === undefined ? base : { ...base, selection };
}

describe('chooseBest', () => {
  it('chooses the highest reward on the selection half, and the latest of equal steps', () => {
    let state = initialState;
    const chosen = [0.2, 0.6, 0.4, 0.6, undefined, 0.5].map((selection, index) => {
      state = { ...state, ...chooseBest(state, index + 1, validation(selection)) };
      return state.best?.step;
    });
    expect(chosen).toEqual([1, 2, 2, 4, 4, 4]);
  });

  it('chooses none where nothing is validated for it', () => {
    expect(chooseBest(initialState, 1, undefined)).toEqual({});
    expect(chooseBest(initialState, 1, validation())).toEqual({});
  });
});
