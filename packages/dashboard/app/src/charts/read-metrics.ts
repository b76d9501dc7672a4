import type { StepMetrics } from '@agent-lightning/run';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MetricsPage } from '../../../src/api.ts';
import { ask } from '../fetch.ts';
import type { ChartLine } from './step-chart.tsx';

/** Reads all lines of metrics of a run, page by page; those that were read before are kept when the run goes on. */
export function useMetrics(run: string, change: number): readonly StepMetrics[] | undefined {
  const [lines, setLines] = useState<readonly StepMetrics[]>();
  const known = useRef<readonly StepMetrics[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    const read = async (): Promise<void> => {
      // The newest line may have been written again by a run that was resumed.
      let all = known.current.slice(0, -1);
      let after: number | undefined = all.at(-1)?.step ?? 0;
      while (after !== undefined) {
        const page: MetricsPage = await ask(
          `/api/runs/${encodeURIComponent(run)}/metrics?after=${after}`,
          controller.signal,
        );
        all = [...all, ...page.lines];
        after = page.next;
      }
      known.current = all;
      setLines(all);
    };
    read().catch(() => {
      if (!controller.signal.aborted) setLines(known.current);
    });
    return () => controller.abort();
  }, [run, change]);
  return lines;
}

/** Reads the number at a path such as `seconds.train`; undefined where there is none. */
export function readNumber(line: object, path: string): number | undefined {
  const value = path.split('.').reduce<unknown>((inner, name) => readMember(inner, name), line);
  return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : undefined;
}

function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** The most lines of one chart: those of the keys with the most steps. */
const mostLines = 6;

/** Returns the lines of a metric: one where it is a number, one for each key where it is an object of numbers, such as `failures`. */
export function linesOf(metrics: readonly StepMetrics[], path: string): readonly ChartLine[] {
  const keys = new Set<string>();
  for (const line of metrics) {
    const value = path
      .split('.')
      .reduce<unknown>((inner, name) => (name === '*' ? inner : readMember(inner, name)), line);
    if (typeof value === 'number' || typeof value === 'boolean') keys.add('');
    else if (typeof value === 'object' && value !== null && !path.includes('*'))
      for (const [key, inner] of Object.entries(value)) if (typeof inner === 'number') keys.add(key);
  }
  return [...keys]
    .map((key): ChartLine => {
      const full = key === '' ? path : `${path}.${key}`;
      const values = metrics.map((line) => readNumber(line, full) ?? null);
      const count = values.filter((value) => value !== null).length;
      return { name: key === '' ? path : key, values, isSparse: count < values.length / 2 };
    })
    .filter(({ values }) => values.some((value) => value !== null))
    .slice(0, mostLines);
}
