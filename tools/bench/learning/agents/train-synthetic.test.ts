import { describe, expect, it } from 'vitest';
import { and, chain } from './synthetic-agent.ts';
import { trainSynthetic } from './train-synthetic.ts';

describe('a synthetic agent', () => {
  it('of twelve calls learns faster where calls are weighed by how much their agent decides', () => {
    const training = { seed: 1, learningRate: 0.01, target: 0.9, mostRollouts: 2_500 };
    expect(trainSynthetic(chain, { ...training, options: { weighNodes: true } })).toBeDefined();
    expect(trainSynthetic(chain, training)).toBeUndefined();
  });

  it('whose calls must all be right learns from the tools that failed, and from nothing when failures are given by chance', () => {
    const options = { intermediate: { kind: 'additive' } } as const;
    const training = { seed: 0, learningRate: 0.02, target: 0.9, mostRollouts: 1_500, options };
    expect(trainSynthetic(and, training)).toBeDefined();
    expect(trainSynthetic(and, { ...training, shuffleSignals: true })).toBeUndefined();
  });
});
