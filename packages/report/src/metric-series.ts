import type { StepMetrics } from '@agent-lightning/run';

/** One number for each step, in the order of the steps; steps without it are left out. */
export type MetricSeries = readonly { readonly x: number; readonly y: number }[];

/** Reads a number of each step by its path in the metrics, such as `seconds.train`. */
export function readSeries(metrics: readonly StepMetrics[], path: string): MetricSeries {
  return metrics.flatMap((each) => {
    const y = readNumber(each, path);
    return y === undefined ? [] : [{ x: each.step, y }];
  });
}

/** Reads the number at a path; undefined where there is none. */
export function readNumber(metrics: StepMetrics, path: string): number | undefined {
  const value = readPath(metrics, path.split('.'));
  return typeof value === 'number' ? value : undefined;
}

/** Replaces `*` in a path by each key that the metrics of any step have in its place; a path without one is returned as it is. */
export function expandPath(metrics: readonly StepMetrics[], path: string): readonly { key: string; path: string }[] {
  const names = path.split('.');
  const star = names.indexOf('*');
  if (star < 0) return [{ key: '', path }];
  const keys = metrics.flatMap((each) => {
    const parent = readPath(each, names.slice(0, star));
    return typeof parent === 'object' && parent !== null ? Object.keys(parent) : [];
  });
  return [...new Set(keys)].map((key) => ({ key, path: names.with(star, key).join('.') }));
}

function readPath(value: unknown, names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (inner, name) =>
      typeof inner === 'object' && inner !== null ? (inner as Readonly<Record<string, unknown>>)[name] : undefined,
    value,
  );
}
