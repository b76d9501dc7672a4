import sections from 'virtual:metrics';
import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { linesOf } from '../charts/read-metrics.ts';
import { StepChart, type ChartLine } from '../charts/step-chart.tsx';
import { place } from '../router.tsx';

type Choose = ((first: number, last: number) => void) | undefined;

interface Metric {
  readonly name: string;
  readonly meaning: string;
  readonly normal: string;
  readonly lines: readonly ChartLine[];
}

/** Draws every metric that the run has, in the sections and with the words of the documents. */
export function MetricList({
  metrics,
  choose,
}: {
  readonly metrics: readonly StepMetrics[];
  readonly choose: Choose;
}): JSX.Element {
  const asked = place.value.query.get('metric') ?? '';
  const [text, setText] = useState(asked);
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    // Who follows a link to a curve is led to it.
    setText(asked);
    if (asked !== '') section.current?.scrollIntoView({ block: 'start' });
  }, [asked]);
  const all = useMemo(() => collect(metrics), [metrics]);
  const steps = useMemo(() => metrics.map(({ step }) => step), [metrics]);
  const wanted = text.trim().toLowerCase();
  const shown = all
    .map(({ title, metrics: list }) => ({
      title,
      list: list.filter(({ name, meaning }) => `${name} ${meaning}`.toLowerCase().includes(wanted)),
    }))
    .filter(({ list }) => list.length > 0);
  return (
    <section ref={section}>
      <div class="head">
        <h2>Every metric</h2>
        <input
          type="search"
          placeholder="find a metric"
          aria-label="find a metric"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      {shown.length === 0 ? <p class="empty">No metric of this run has “{text}” in its name or meaning.</p> : undefined}
      {shown.map(({ title, list }) => (
        <details key={title} class="section" open={wanted !== '' || title === shown[0]!.title}>
          <summary>
            <h3>{title}</h3> <span class="hint">{list.map(({ name }) => name).join(', ')}</span>
          </summary>
          <div class="metrics">
            {list.map((metric) => (
              <MetricCard key={metric.name} metric={metric} steps={steps} choose={choose} />
            ))}
          </div>
        </details>
      ))}
    </section>
  );
}

function collect(
  metrics: readonly StepMetrics[],
): readonly { readonly title: string; readonly metrics: readonly Metric[] }[] {
  return sections.map(({ title, metrics: documented }) => ({
    title,
    metrics: documented
      .filter(({ name }) => name !== 'step' && !name.includes('*'))
      .map((entry) => ({ ...entry, lines: linesOf(metrics, entry.name) }))
      .filter(({ lines }) => lines.length > 0),
  }));
}

/** The most lines of one chart: each has a colour and a dash of its own. */
const mostLines = 6;

function MetricCard({
  metric,
  steps,
  choose,
}: {
  readonly metric: Metric;
  readonly steps: readonly number[];
  readonly choose: Choose;
}): JSX.Element {
  const { name, meaning, normal, lines } = metric;
  const card = useRef<HTMLElement>(null);
  const [isNear, setIsNear] = useState(false);
  useEffect(() => {
    // A run has some eighty metrics: a chart is made when it comes near the window.
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting === true && setIsNear(true), {
      rootMargin: '400px',
    });
    watch.observe(card.current!);
    return () => watch.disconnect();
  }, []);
  return (
    <article class="card metric" ref={card}>
      <h4>{name}</h4>
      <p class="meaning">{meaning}</p>
      {isNear ? (
        <StepChart
          label={`${name}: ${meaning}`}
          steps={steps}
          lines={lines.slice(0, mostLines)}
          height={130}
          onChoose={choose}
        />
      ) : (
        <div class="hold" />
      )}
      {lines.length > mostLines ? (
        <p class="hint">{lines.length - mostLines} further keys are in metrics.jsonl.</p>
      ) : undefined}
      {normal === '' ? undefined : <p class="hint">Normal: {normal}</p>}
    </article>
  );
}
