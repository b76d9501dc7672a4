/** The agents of the learning bench, whose cases are too long for every change, still train with the defaults of the product. */
import { describe, expect, it } from 'vitest';
import { trainRiskyAgent } from './agents/risky-agent.ts';
import { runLetters } from './ailments/letter-run.ts';

describe('an agent of the learning bench', () => {
  it('that takes risks is trained through the product, its failures counted', async () => {
    const result = await trainRiskyAgent({ seed: 0, estimator: 'grpo', failure: 'plain', outages: 0.3, steps: 2 });
    expect(result.stopReason).toBe('completed');
    expect(result.worth).toBeGreaterThan(0.3); // the untrained agent's
  });

  it('that names letters is trained through the product', async () => {
    const { reward, named } = await runLetters({ steps: 8 }, 0);
    expect(named).toEqual({});
    expect(reward[1]).toBeGreaterThan(reward[0]);
  });
});
