import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxDepth, measureJson } from './json-measure.ts';

const noLimit = Number.MAX_SAFE_INTEGER;
const measure = (text: string, maxValues = noLimit): { values: number; depth: number } =>
  measureJson(Buffer.from(text), maxValues);

/** The same, plainly: over the parsed value. */
function measureValue(value: unknown): { values: number; depth: number } {
  if (typeof value === 'string') return { values: 4, depth: 0 };
  if (typeof value !== 'object' || value === null) return { values: 0, depth: 0 };
  const items = (Array.isArray(value) ? value : Object.values(value)).map(measureValue);
  const names = Array.isArray(value) ? 0 : 4 * items.length;
  const commas = Math.max(0, items.length - 1);
  return {
    values: 4 + names + commas + items.reduce((sum, item) => sum + item.values, 0),
    depth: 1 + Math.max(0, ...items.map((item) => item.depth)),
  };
}

describe('measureJson', () => {
  it.each([
    ['{}', 4, 1],
    ['[1,2,3]', 6, 1],
    ['{"a":[[],"b"],"c":null}', 4 + 4 + 4 + 4 + 1 + 4 + 1 + 4, 3],
    ['{"a":"\\"[,{\\\\"}', 12, 1],
    [`["${'x'.repeat(200)}\\"${'\\\\'.repeat(100)}",[]]`, 4 + 4 + 1 + 4, 2],
    ['"not closed', 4, 0],
    ['', 0, 0],
  ])('counts %s', (text, values, depth) => {
    expect(measure(text)).toEqual({ values, depth });
  });

  it('counts what the parsed value holds, whatever the spacing and the letters', () => {
    const awkward = fc.constantFrom('"', '\\', '\n', '[', ',', 'é', '日', '🙂', 'x'.repeat(60));
    const text = fc.oneof(
      fc.string(),
      fc.array(awkward, { maxLength: 80 }).map((parts) => parts.join('')),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(null, true, false),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        text,
        fc.array(tie('value')),
        fc.dictionary(text, tie('value')),
      ),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (json, indent) => {
        expect(measure(JSON.stringify(json, undefined, indent))).toEqual(measureValue(json));
      }),
      { numRuns: 500 },
    );
  });

  it('stops as soon as there is too much', () => {
    expect(measure('[],'.repeat(1_000), 100).values).toBe(104);
    expect(measure('['.repeat(1_000)).depth).toBe(maxDepth + 1);
  });

  it('never counts more than two for a byte', () => {
    const pieces = fc.array(fc.constantFrom('[]', '{}', '""', ',', '"a":1', '[[]]', ' '));
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        expect(measure(text).values).toBeLessThanOrEqual(2 * text.length);
      }),
    );
  });
});
