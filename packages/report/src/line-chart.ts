import { markup, type Markup } from './markup.ts';

export interface Series {
  readonly name: string;
  /** 1 to 6: a colour of the page's palette. */
  readonly color: number;
  /** Points in order; an interval is drawn as an error bar. */
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly interval?: readonly [low: number, high: number] | undefined;
  }[];
  /** Marks each point, for series with few of them. @default false */
  readonly hasMarkers?: boolean;
}

export interface LineChartOptions {
  /** A text that screen readers read in place of the picture. */
  readonly label: string;
  readonly series: readonly Series[];
  readonly width: number;
  readonly height: number;
  /** Values that the y axis must contain. */
  readonly includeY?: readonly number[];
  readonly xLabel?: string;
}

const margin = { top: 12, right: 14, bottom: 30, left: 46 };

/** Draws a line chart as inline SVG; the page's script adds the values under the pointer. */
export function lineChart({ label, series, width, height, includeY = [], xLabel = 'step' }: LineChartOptions): Markup {
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  const [left, right] = findExtent(xs);
  const [low, high] = findExtent([
    ...series.flatMap(({ points }) => points.flatMap(({ y, interval = [y, y] }) => [y, ...interval])),
    ...includeY,
  ]);
  const xTicks = niceTicks(left, right, Math.max(2, Math.floor(width / 90)), true);
  const yTicks = niceTicks(low, high, Math.max(2, Math.floor(height / 50)), false);
  const xScale = scale(left, right, margin.left, width - margin.right);
  const yScale = scale(yTicks[0]!, yTicks.at(-1)!, height - margin.bottom, margin.top);
  const valuesAt = series.map(({ points }) => firstValues(points));
  const values = JSON.stringify({
    names: series.map(({ name }) => name),
    xs: [...new Set(xs)]
      .sort((a, b) => a - b)
      .map((x) => ({
        x,
        at: round(xScale(x)),
        ys: valuesAt.map((valueAt) => valueAt.get(x) ?? null),
      })),
  });
  return markup`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" data-values="${values}" data-top="${margin.top}" data-bottom="${height - margin.bottom}">
${yTicks.map((tick) => markup`<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${round(yScale(tick))}" y2="${round(yScale(tick))}"/><text class="tick" x="${margin.left - 7}" y="${round(yScale(tick) + 4)}" text-anchor="end">${formatNumber(tick)}</text>`)}
${xTicks.map((tick) => markup`<text class="tick" x="${round(xScale(tick))}" y="${height - margin.bottom + 17}" text-anchor="middle">${formatNumber(tick)}</text>`)}
<text class="tick axis" x="${width - margin.right}" y="${height - 2}" text-anchor="end">${xLabel}</text>
${series.map((each) => drawSeries(each, xScale, yScale))}
<line class="cursor" x1="0" x2="0" y1="${margin.top}" y2="${height - margin.bottom}"/>
</svg>`;
}

/** Draws the names of a chart's series with their colours; a chart of one series needs no legend. */
export function legend(series: readonly Series[]): Markup {
  return markup`<ul class="legend">${series.map(({ name, color, hasMarkers }) => markup`<li><i class="swatch c${color}${hasMarkers === true ? ' dot' : ''}"></i>${name}</li>`)}</ul>`;
}

/** Returns the smallest and the largest of the values. */
export function findExtent(values: readonly number[]): readonly [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** Maps each x to the y of the first point there. */
function firstValues(points: Series['points']): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  for (const { x, y } of points) if (!values.has(x)) values.set(x, y);
  return values;
}

function drawSeries(
  { points, color, hasMarkers }: Series,
  xScale: (x: number) => number,
  yScale: (y: number) => number,
): Markup {
  const path = points
    .map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${round(xScale(x))} ${round(yScale(y))}`)
    .join('');
  const markers =
    hasMarkers === true || points.length === 1
      ? points.map(
          ({ x, y }) =>
            markup`<circle class="mark c${color}" cx="${round(xScale(x))}" cy="${round(yScale(y))}" r="4"/>`,
        )
      : undefined;
  const bars = points.flatMap(({ x, interval }) =>
    interval === undefined
      ? []
      : markup`<line class="line bound c${color}" x1="${round(xScale(x))}" x2="${round(xScale(x))}" y1="${round(yScale(interval[0]))}" y2="${round(yScale(interval[1]))}"/>`,
  );
  return markup`${bars}<path class="line c${color}" d="${path}"/>${markers}`;
}

function scale(from: number, to: number, low: number, high: number): (value: number) => number {
  const span = to - from || 1;
  return (value) => low + ((value - from) / span) * (high - low);
}

/** Returns round numbers from at most `low` to at least `high`; for x, those within. */
function niceTicks(low: number, high: number, count: number, isWithin: boolean): readonly number[] {
  if (low === high) return isWithin ? [low] : [Math.min(low, 0), Math.max(high, 0) || 1];
  const raw = (high - low) / count;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const candidates = [1, 2, 2.5, 5, 10]
    .map((factor) => factor * magnitude)
    .filter((size) => !isWithin || Number.isInteger(size));
  const size = candidates.find((candidate) => candidate >= raw) ?? Math.max(1, 10 * magnitude);
  const first = isWithin ? Math.ceil(low / size) : Math.floor(low / size);
  const last = isWithin ? Math.floor(high / size) : Math.ceil(high / size);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * size).toPrecision(12)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Formats a number for people: three significant digits, thousands as k. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000) return `${Number((value / 1_000).toPrecision(3))}k`;
  if (size >= 1_000 || Number.isInteger(value)) return String(Math.round(value));
  if (size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
