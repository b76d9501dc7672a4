import type { Latency } from './operations.ts';

/** Holds what the operations of a store took that holds so many rollouts. */
export interface MeasuredSize {
  readonly rollouts: number;
  readonly operations: Readonly<Record<string, Latency>>;
}

/** A page of old rollouts is read by people, and may take longer in a large store. */
const otherOperations: readonly string[] = ['page'];
const mostOverLog = 2;

/**
 * Compares the medians of the smallest and the largest size, in whatever order they were measured; `steep` names the operations of the hot path
 * that grow more than twice as much as log n.
 */
export function compareSizes(sizes: readonly [MeasuredSize, ...MeasuredSize[]]): {
  readonly growth: Readonly<Record<string, number>>;
  readonly logGrowth: number;
  readonly steep: readonly string[];
} {
  const smallest = sizes.reduce((found, size) => (size.rollouts < found.rollouts ? size : found));
  const largest = sizes.reduce((found, size) => (size.rollouts > found.rollouts ? size : found));
  const growth = Object.fromEntries(
    Object.entries(largest.operations).map(([name, { medianMs }]) => [
      name,
      Math.round((100 * medianMs) / (smallest.operations[name]?.medianMs ?? medianMs)) / 100,
    ]),
  );
  const logGrowth = Math.round((100 * Math.log(largest.rollouts)) / Math.log(smallest.rollouts)) / 100;
  const isSteep = (name: string): boolean =>
    !otherOperations.includes(name) && (growth[name] ?? 0) > mostOverLog * logGrowth;
  return { growth, logGrowth, steep: Object.keys(growth).filter(isSteep) };
}
