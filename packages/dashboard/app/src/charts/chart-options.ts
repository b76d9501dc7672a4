import type uPlot from 'uplot';
import { formatNumber } from '../format.ts';
import type { ChartLine } from './step-chart.tsx';

interface ChartShape {
  readonly lines: readonly ChartLine[];
  readonly style: CSSStyleDeclaration;
  readonly width: number;
  readonly height: number;
  readonly choose: (first: number, last: number) => void;
}

/** The dashes of lines, so that colours are not the only thing that tells them apart. */
export const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [10, 4, 2, 4], [4, 2], [1, 4]];

/** A drag of fewer pixels is a click. */
const leastDrag = 5;

/** Returns how uPlot draws a chart over steps in the colours of the theme. */
export function chartOptions({ lines, style, width, height, choose }: ChartShape): uPlot.Options {
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--faint'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line') },
    font: '11px system-ui, sans-serif',
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [10, 12, 0, 0],
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false },
    scales: {
      x: { time: false, range: (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high]) },
      y: { range: widened },
    },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5], size: 28 },
      { ...axis, size: 46, values: (_, splits) => splits.map((value) => formatNumber(value)) },
    ],
    series: [{}, ...lines.map((line, index) => series(line, index, color))],
    hooks: {
      draw: [(plot) => drawIntervals(plot, lines, color)],
      ready: [
        (plot) => {
          let downAt = 0;
          plot.over.addEventListener('pointerdown', (event) => (downAt = event.clientX));
          plot.over.addEventListener('click', (event) => {
            const index = plot.cursor.idx;
            if (index === null || index === undefined || Math.abs(event.clientX - downAt) >= leastDrag) return;
            choose(plot.data[0][index]!, plot.data[0][index]!);
          });
        },
      ],
      setSelect: [
        (plot) => {
          if (plot.select.width < leastDrag) return;
          const first = Math.ceil(plot.posToVal(plot.select.left, 'x'));
          const last = Math.floor(plot.posToVal(plot.select.left + plot.select.width, 'x'));
          if (first <= last) choose(first, last);
        },
      ],
    },
  };
}

function series(line: ChartLine, index: number, color: (name: string) => string): uPlot.Series {
  const stroke = color(`--c${(index % 6) + 1}`);
  return {
    label: line.name,
    stroke,
    width: 2,
    dash: [...(line.isSparse === true ? [] : dashes[index % dashes.length]!)],
    spanGaps: true,
    points: {
      show: line.isSparse === true || line.values.length < 3,
      size: 7,
      fill: color('--card'),
      stroke,
      width: 2,
    },
  };
}

/** Widens a range of values a little, and keeps room for a flat line. */
function widened(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  if (low === high) return low === 0 ? [-0.5, 1] : [Math.min(0, low * 1.5), Math.max(0, high * 1.5)];
  const room = (high - low) * 0.08;
  const isFromZero = low >= 0 && low <= (high - low) * 0.5;
  return [isFromZero ? 0 : low - room, high + room];
}

/** Draws the intervals of values as bars, which uPlot has no series for. */
function drawIntervals(plot: uPlot, lines: readonly ChartLine[], color: (name: string) => string): void {
  for (const [number, { intervals }] of lines.entries()) {
    if (intervals === undefined) continue;
    plot.ctx.save();
    plot.ctx.strokeStyle = color(`--c${(number % 6) + 1}`);
    plot.ctx.lineWidth = Math.max(1, devicePixelRatio);
    for (const [index, interval] of intervals.entries()) {
      if (interval === null) continue;
      const x = Math.round(plot.valToPos(plot.data[0][index]!, 'x', true));
      const [low, high] = interval.map((value) => Math.round(plot.valToPos(value, 'y', true)));
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, low!);
      plot.ctx.lineTo(x, high!);
      for (const y of [low!, high!]) {
        plot.ctx.moveTo(x - 4 * devicePixelRatio, y);
        plot.ctx.lineTo(x + 4 * devicePixelRatio, y);
      }
      plot.ctx.stroke();
    }
    plot.ctx.restore();
  }
}
