import type { StepMetrics } from '@agent-lightning/run';

/** Keeps of the lines of a long run every n-th, about `most` of them, those with a validation, and the last one. */
export function thin<Line extends Pick<StepMetrics, 'validation'>>(
  lines: readonly Line[],
  most: number,
): readonly Line[] {
  const every = Math.ceil(lines.length / most);
  return lines.filter(
    ({ validation }, index) => index % every === 0 || validation !== undefined || index === lines.length - 1,
  );
}
