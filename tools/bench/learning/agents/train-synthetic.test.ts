import { describe, expect, it } from 'vitest';
import { and, chain, shortChoiceChain } from './synthetic-agent.ts';
import { trainSynthetic } from './train-synthetic.ts';

describe('a synthetic agent', () => {
  it('of twelve calls learns faster where calls are weighed by how much their agent decides', async () => {
    const training = { seed: 1, learningRate: 0.01, target: 0.9, mostRollouts: 2_500 };
    expect(await trainSynthetic(chain, { ...training, options: { weighNodes: true } })).toBeDefined();
    expect(await trainSynthetic(chain, training)).toBeUndefined();
  });

  it('learns faster so, too, where updates size themselves', async () => {
    const training = { seed: 0, learningRate: 'auto', target: 0.9, mostRollouts: 1_000 } as const;
    expect(await trainSynthetic(shortChoiceChain, { ...training, options: { weighNodes: true } })).toBeDefined();
    expect(await trainSynthetic(shortChoiceChain, training)).toBeUndefined();
  });

  it('whose calls must all be right learns from the tools that failed, and from nothing when failures are given by chance', async () => {
    const options = { intermediate: { kind: 'additive' } } as const;
    const training = { seed: 0, learningRate: 0.02, target: 0.9, mostRollouts: 1_500, options };
    expect(await trainSynthetic(and, training)).toBeDefined();
    expect(await trainSynthetic(and, { ...training, shuffleSignals: true })).toBeUndefined();
  });
});
