/** A line through measurements, fitted by least squares. */
export interface FittedLine {
  /** The rise for each unit of x. */
  readonly slope: number;
  /** The standard error of the slope; Infinity for fewer than three points or one x. */
  readonly slopeError: number;
}

/** Fits a line through points (x, y). */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): FittedLine {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (count < 3 || spread === 0) return { slope: 0, slopeError: Infinity };
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, slopeError: Math.sqrt(rest / (count - 2) / spread) };
}

/** Returns by how much a line rises over all of its points at least: two standard errors below the fit. */
export function leastRise(points: readonly (readonly [x: number, y: number])[]): number {
  const { slope, slopeError } = fitLine(points);
  return (slope - 2 * slopeError) * (points.at(-1)![0] - points[0]![0]);
}
