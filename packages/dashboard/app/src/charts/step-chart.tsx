import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { formatNumber } from '../format.ts';
import { theme } from '../theme.ts';
import { chartOptions, dashes } from './chart-options.ts';

/** One line of a chart. */
export interface ChartLine {
  readonly name: string;
  /** One number for each step; null where there is none. */
  readonly values: readonly (number | null)[];
  /** The interval of each value, drawn as a bar. */
  readonly intervals?: readonly (readonly [low: number, high: number] | null)[];
  /** Draws points instead of a line through all values. @default false */
  readonly isSparse?: boolean;
}

interface StepChartProps {
  readonly label: string;
  readonly steps: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly height?: number;
  /** Shows the rollouts of the steps that were chosen; absent where there are none to show. */
  readonly onChoose?: ((first: number, last: number) => void) | undefined;
}

/**
 * Draws numbers over the steps. A click chooses a step and a drag an interval; with the keyboard the arrows move, Shift and an arrow
 * extends the interval, and Enter chooses it.
 */
export function StepChart({ label, steps, lines, height = 200, onChoose }: StepChartProps): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const choose = useRef(onChoose);
  choose.current = onChoose;
  const [cursor, setCursor] = useState<{ readonly at: number; readonly anchor: number }>();
  const hint = useId();
  const shape = JSON.stringify([lines.map(({ name, isSparse }) => [name, isSparse]), theme.value, height]);
  const data = [steps, ...lines.map(({ values }) => values)] as uPlot.AlignedData;

  useEffect(() => {
    const element = frame.current!;
    const style = getComputedStyle(document.documentElement);
    const made = new uPlot(
      chartOptions({
        lines,
        style,
        width: element.clientWidth,
        height,
        choose: (first, last) => choose.current?.(first, last),
      }),
      data,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [steps, lines]);

  const move = (at: number, isExtended: boolean): void => {
    const next = Math.min(steps.length - 1, Math.max(0, at));
    const anchor = isExtended ? (cursor?.anchor ?? next) : next;
    setCursor({ at: next, anchor });
    const made = plot.current!;
    made.setCursor({ left: made.valToPos(steps[next]!, 'x'), top: made.over.clientHeight / 2 });
    const [left, right] = [
      made.valToPos(steps[Math.min(next, anchor)]!, 'x'),
      made.valToPos(steps[Math.max(next, anchor)]!, 'x'),
    ];
    made.setSelect({ left, width: right - left, top: 0, height: made.over.clientHeight }, false);
  };
  const press = (event: KeyboardEvent): void => {
    const at = cursor?.at ?? steps.length;
    const moves: Readonly<Record<string, number>> = {
      ArrowLeft: at - 1,
      ArrowRight: cursor === undefined ? 0 : at + 1,
      Home: 0,
      End: steps.length - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      event.preventDefault();
      move(target, event.shiftKey);
    } else if (event.key === 'Enter' && cursor !== undefined) {
      const [first, last] = [cursor.at, cursor.anchor].toSorted((a, b) => a - b);
      onChoose?.(steps[first!]!, steps[last!]!);
    }
  };
  return (
    <figure class="chart">
      <div
        ref={frame}
        class="plot"
        tabIndex={0}
        role="group"
        aria-roledescription="chart"
        aria-label={label}
        aria-describedby={hint}
        onKeyDown={press}
        style={{ minHeight: `${height}px` }}
      />
      <figcaption class="reader" id={hint} aria-live="polite">
        {cursor === undefined ? describeEnd(steps, lines) : describePoint(steps, lines, cursor.at)}
        {onChoose === undefined ? '' : ' Arrow keys move, Shift extends, Enter shows the rollouts.'}
      </figcaption>
      <Legend lines={lines} index={cursor?.at ?? steps.length - 1} />
    </figure>
  );
}

function Legend({ lines, index }: { readonly lines: readonly ChartLine[]; readonly index: number }): JSX.Element {
  return (
    <ul class="legend">
      {lines.map(({ name, values, isSparse }, number) => (
        <li key={name}>
          <Key number={number} isSparse={isSparse === true} /> {name} <b>{formatNumber(newest(values, index))}</b>
        </li>
      ))}
    </ul>
  );
}

/** The sign of a line, in the colour and the dash in which it is drawn. */
function Key({ number, isSparse }: { readonly number: number; readonly isSparse: boolean }): JSX.Element {
  const dash = dashes[number % dashes.length]!.join(' ');
  return (
    <svg class={`key l${(number % 6) + 1}`} viewBox="0 0 26 10" width="26" height="10" aria-hidden="true">
      <line x1="0" x2="26" y1="5" y2="5" stroke-width="2" {...(isSparse ? {} : { 'stroke-dasharray': dash })} />
      {isSparse ? <circle cx="13" cy="5" r="3.5" stroke-width="2" /> : undefined}
    </svg>
  );
}

function newest(values: readonly (number | null)[], index: number): number | undefined {
  return values.slice(0, index + 1).findLast((value) => value !== null) ?? undefined;
}

function describePoint(steps: readonly number[], lines: readonly ChartLine[], index: number): string {
  const parts = lines.flatMap(({ name, values }) =>
    typeof values[index] === 'number' ? [`${name} ${formatNumber(values[index])}`] : [],
  );
  return `Step ${steps[index]}: ${parts.length === 0 ? 'no value' : parts.join(', ')}.`;
}

function describeEnd(steps: readonly number[], lines: readonly ChartLine[]): string {
  return steps.length === 0
    ? 'No step yet.'
    : `Steps ${steps[0]} to ${steps.at(-1)}. ${describePoint(steps, lines, steps.length - 1)}`;
}
