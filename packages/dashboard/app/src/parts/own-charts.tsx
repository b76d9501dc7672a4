import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { RunDetails } from '../../../src/api.ts';
import { expandPath, readNumber } from '../charts/read-metrics.ts';
import { StepChart, type ChartLine } from '../charts/step-chart.tsx';

/** The most lines of one chart: each has a colour and a dash of its own. */
const mostLines = 6;

/** Draws the charts that the algorithm has of its own figures; one without any figure is left out. */
export function OwnCharts({
  details: { charts },
  metrics,
  choose,
}: {
  readonly details: RunDetails;
  readonly metrics: readonly StepMetrics[];
  readonly choose: ((first: number, last: number) => void) | undefined;
}): JSX.Element | undefined {
  const steps = useMemo(() => metrics.map(({ step }) => step), [metrics]);
  const drawn = useMemo(
    () =>
      charts
        .map(({ title, lines }) => ({ title, lines: lines.flatMap(([name, path]) => linesAt(metrics, name, path)) }))
        .filter(({ lines }) => lines.length > 0),
    [charts, metrics],
  );
  if (drawn.length === 0) return undefined;
  return (
    <section>
      <h2>Charts of the algorithm</h2>
      <div class="metrics">
        {drawn.map(({ title, lines }) => (
          <article class="card metric" key={title}>
            <h4>{title}</h4>
            <StepChart label={title} steps={steps} lines={lines.slice(0, mostLines)} height={130} onChoose={choose} />
            {lines.length > mostLines ? (
              <p class="hint">{lines.length - mostLines} further lines are in metrics.jsonl.</p>
            ) : undefined}
          </article>
        ))}
      </div>
    </section>
  );
}

/** Returns the lines at a path of the metrics: one, or one for each key in the place of `*`; none where no step has a number there. */
function linesAt(metrics: readonly StepMetrics[], name: string, path: string): readonly ChartLine[] {
  return expandPath(metrics, path.split('.'))
    .map(({ key, names }) => ({
      name: key === '' ? name : key,
      values: metrics.map((line) => readNumber(line, names) ?? null),
    }))
    .filter(({ values }) => values.some((value) => value !== null));
}
