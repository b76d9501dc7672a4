import fc from 'fast-check';
import { expect, it } from 'vitest';
import { affordProposals, costOfProposal, mostSteps } from './budget.ts';

it('affords what cannot pass the budget: 30 rollouts, 5 selection tasks, minibatches of 3', () => {
  const sizes = { minibatch: 3, selection: 5, repeats: 2, proposals: 1 };
  expect(costOfProposal(sizes)).toBe(11);
  expect(affordProposals(30 - 7, sizes)).toBe(1);
  expect(affordProposals(10, sizes)).toBe(0);
  expect(affordProposals(Infinity, { ...sizes, proposals: 4 })).toBe(4);
  expect(mostSteps(30, sizes)).toBe(8);
});

it('never passes a budget, whatever comes of the proposals', () => {
  const numbers = { min: 1, max: 9 };
  fc.assert(
    fc.property(
      fc.record({
        minibatch: fc.integer(numbers),
        selection: fc.integer(numbers),
        repeats: fc.integer(numbers),
        proposals: fc.integer(numbers),
      }),
      fc.integer({ min: 1, max: 400 }),
      fc.infiniteStream(fc.constantFrom('skipped', 'rejected', 'accepted')),
      (sizes, budget, fates) => {
        const { minibatch, selection, repeats } = sizes;
        const costs = { skipped: minibatch, rejected: 2 * minibatch, accepted: costOfProposal(sizes) };
        let spent = selection + repeats;
        for (let steps = 0; ; steps += 1) {
          const proposals = affordProposals(budget - spent, sizes);
          if (proposals === 0) break;
          expect(steps).toBeLessThan(mostSteps(budget, sizes));
          for (let proposal = 0; proposal < proposals; proposal += 1)
            spent += costs[fates.next().value as keyof typeof costs];
        }
        expect(spent).toBeLessThanOrEqual(Math.max(budget, selection + repeats));
      },
    ),
    { numRuns: 40 },
  );
});
