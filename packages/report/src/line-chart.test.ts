import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markup } from './markup.ts';
import { formatNumber, lineChart } from './line-chart.ts';

describe('markup', () => {
  it('escapes values, and not markup', () => {
    expect(markup`<b title="${'"<>&\''}">${markup`<i>${1}</i>`}${['<', undefined, 2]}</b>`.text).toBe(
      '<b title="&quot;&lt;&gt;&amp;&#39;"><i>1</i>&lt;2</b>',
    );
  });
});

describe('lineChart', () => {
  it('keeps every point inside the picture', () => {
    const points = fc.array(
      fc.record({ x: fc.integer({ min: 0, max: 10_000 }), y: fc.double({ min: -1e9, max: 1e9, noNaN: true }) }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(points, (given) => {
        const { text } = lineChart({
          label: 'test',
          series: [{ name: 's', color: 1, points: given, hasMarkers: true }],
          width: 300,
          height: 150,
        });
        expect(text).not.toMatch(/NaN|Infinity|undefined/);
        for (const [, x, y] of text.matchAll(/cx="([-\d.]+)" cy="([-\d.]+)"/g)) {
          expect(Number(x)).toBeGreaterThanOrEqual(0);
          expect(Number(x)).toBeLessThanOrEqual(300);
          expect(Number(y)).toBeGreaterThanOrEqual(0);
          expect(Number(y)).toBeLessThanOrEqual(150);
        }
      }),
    );
  });

  it('draws more points than a list of arguments may have, and the first of two at one place', () => {
    const points = Array.from({ length: 200_000 }, (_, step) => ({ x: step, y: step / 2 }));
    const series = [{ name: 's', color: 1, points: [...points, { x: 0, y: 9 }] }];
    const { text } = lineChart({ label: 'test', series, width: 300, height: 150 });
    expect(text).toContain('>100k<');
    expect(text).toContain('{&quot;x&quot;:0,&quot;at&quot;:46,&quot;ys&quot;:[0]}');
    expect(text).toContain('{&quot;x&quot;:199999,&quot;at&quot;:286,&quot;ys&quot;:[99999.5]}');
  });

  it('draws the interval of a point, inside the picture', () => {
    const points = [
      { x: 0, y: 0.4, interval: [0.1, 0.9] as const },
      { x: 1, y: 0.5 },
    ];
    const { text } = lineChart({ label: 'test', series: [{ name: 's', color: 2, points }], width: 300, height: 150 });
    const bars = [...text.matchAll(/class="line bound c2" x1="([\d.]+)" x2="\1" y1="([\d.]+)" y2="([\d.]+)"/g)];
    expect(bars).toHaveLength(1);
    const [low, high] = bars[0]!.slice(2).map(Number);
    expect(low!).toBeGreaterThan(high!);
    expect(high!).toBeGreaterThanOrEqual(12);
    expect(low!).toBeLessThanOrEqual(120);
  });

  it('writes round numbers on its axes', () => {
    const { text } = lineChart({
      label: 'test',
      series: [
        {
          name: 's',
          color: 1,
          points: [
            { x: 1, y: 0.13 },
            { x: 40, y: 0.94 },
          ],
        },
      ],
      width: 600,
      height: 300,
      includeY: [0],
    });
    expect([...text.matchAll(/class="tick"[^>]*>([^<]+)</g)].map(([, tick]) => tick)).toEqual([
      '0',
      '0.2',
      '0.4',
      '0.6',
      '0.8',
      '1',
      '10',
      '20',
      '30',
      '40',
    ]);
  });
});

describe('formatNumber', () => {
  it.each([
    [0, '0'],
    [12, '12'],
    [0.12345, '0.123'],
    [-0.5, '-0.5'],
    [0.00001234, '1.2e-5'],
    [1234.5, '1235'],
    [123_456, '123k'],
  ])('%d → %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});
