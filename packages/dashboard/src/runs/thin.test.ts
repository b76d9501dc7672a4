import { expect, it } from 'vitest';
import { thin } from './thin.ts';

const lines = Array.from({ length: 700 }, (_, index) => ({
  step: index + 1,
  validation: index % 50 === 49 ? { reward: 1 } : undefined,
})) as unknown as Parameters<typeof thin<{ step: number; validation?: never }>>[0];

it('keeps every n-th line of a long run, each validation, and the last line', () => {
  const kept = thin(lines, 300);
  expect(kept.filter(({ validation }) => validation !== undefined)).toHaveLength(14);
  expect(kept.map(({ step }) => step).filter((step) => step % 50 !== 0)).toEqual(
    lines.map(({ step }) => step).filter((step) => step % 3 === 1 && step % 50 !== 0),
  );
  expect(kept.at(-1)!.step).toBe(700);
});

it('keeps every line of a short run', () => {
  expect(thin(lines.slice(0, 300), 300)).toEqual(lines.slice(0, 300));
  expect(thin([], 300)).toEqual([]);
});
