import { expect, it } from 'vitest';
import { philox, uniformAt } from './counter-random.ts';

it('gives the known answers of Random123 for philox4x32-10', () => {
  const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
  expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
});

it('is uniform in [0, 1) and differs by seed, stream and index', () => {
  const values = Array.from({ length: 4000 }, (_, i) => uniformAt(7, i % 4, Math.floor(i / 4)));
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  expect(new Set(values).size).toBe(values.length);
  expect(uniformAt(7, 0, 0)).not.toBe(uniformAt(8, 0, 0));
  expect(uniformAt(2 ** 32 + 7, 0, 0)).not.toBe(uniformAt(7, 0, 0));
});
