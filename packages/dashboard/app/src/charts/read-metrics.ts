import type { StepMetrics } from '@agent-lightning/run';
import { useRef, useState } from 'preact/hooks';
import type { MetricsPage, RunDetails } from '../../../src/api.ts';
import { ask, useRepeated } from '../fetch.ts';
import type { ChartLine } from './step-chart.tsx';

/**
 * Reads all lines of metrics of a run, page by page. Those that were read before are kept when the run goes on, and read again where it
 * began anew or went back to an earlier step.
 */
export function useMetrics(
  { id: run, startedAt, steps }: Pick<RunDetails, 'id' | 'startedAt' | 'steps'>,
  change: number,
): readonly StepMetrics[] | undefined {
  const [lines, setLines] = useState<readonly StepMetrics[]>();
  const known = useRef<readonly StepMetrics[]>([]);
  const seen = useRef({ startedAt, steps });
  useRepeated(`${run} ${startedAt}`, `${change} ${steps}`, async (signal) => {
    if (seen.current.startedAt !== startedAt || steps < seen.current.steps) known.current = [];
    seen.current = { startedAt, steps };
    // The newest line may have been written again by a run that was resumed.
    let all = known.current.slice(0, -1);
    let after: number | undefined = all.at(-1)?.step ?? 0;
    try {
      while (after !== undefined) {
        const page: MetricsPage = await ask(`/api/runs/${encodeURIComponent(run)}/metrics?after=${after}`, signal);
        all = [...all, ...page.lines];
        after = page.next;
      }
      known.current = all;
    } catch {
      // What was read before is shown: the page of the run says what is wrong with it.
    }
    if (!signal.aborted) setLines(known.current);
  });
  return lines;
}

/** Reads a number by the names that lead to it; undefined where there is none. A name may have any characters: tasks give some. */
export function readNumber(line: object, names: readonly string[]): number | undefined {
  const value = names.reduce<unknown>(readMember, line);
  return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : undefined;
}

/** Replaces `*` among names by each key that any line has in its place; names without one are returned as they are. */
export function expandPath(
  metrics: readonly object[],
  names: readonly string[],
): readonly { readonly key: string; readonly names: readonly string[] }[] {
  const star = names.indexOf('*');
  if (star < 0) return [{ key: '', names }];
  const keys = metrics.flatMap((line) => {
    const parent = names.slice(0, star).reduce<unknown>(readMember, line);
    return typeof parent === 'object' && parent !== null ? Object.keys(parent) : [];
  });
  return [...new Set(keys)].map((key) => ({ key, names: names.with(star, key) }));
}

function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/**
 * Returns the lines of a metric: one where it is a number, two where it is a range, and one for each key where it is an object of numbers,
 * such as `failures`; the keys with the most steps come first.
 */
export function linesOf(metrics: readonly StepMetrics[], path: string): readonly ChartLine[] {
  const names = path.split('.');
  const keys = new Set<string>();
  let isRange = false;
  for (const line of metrics) {
    const value = names.reduce<unknown>(readMember, line);
    if (typeof value === 'number' || typeof value === 'boolean') keys.add('');
    else if (typeof value === 'object' && value !== null) {
      isRange = Array.isArray(value);
      for (const [key, inner] of Object.entries(value)) if (typeof inner === 'number') keys.add(key);
    }
  }
  const nameOf = (key: string): string => (key === '' ? path : isRange ? (key === '0' ? 'lowest' : 'highest') : key);
  const lines = [...keys].map((key) => {
    const values = metrics.map((line) => readNumber(line, key === '' ? names : [...names, key]) ?? null);
    return { name: nameOf(key), values, count: values.filter((value) => value !== null).length };
  });
  return lines
    .toSorted((a, b) => b.count - a.count)
    .map(({ name, values, count }) => ({ name, values, isSparse: count < values.length / 2 }));
}
