import { Template } from '@huggingface/jinja';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { JinjaTemplate } from '../jinja-template.ts';
import { compareTexts, toJson } from './json-form.ts';
import { readJson } from './read-json.ts';
import { floatText, toLiteral } from './text-form.ts';
import { strip } from './text-methods.ts';
import { toValue } from './to-value.ts';
import { Float, lengthOfText } from './values.ts';

const form = { isAscii: false, indent: undefined, itemSeparator: ', ', keySeparator: ': ', isSorted: false };
const render = (template: string): string =>
  new JinjaTemplate(template, 'model/chat_template.jinja', () => new Date(0)).render(new Map());

describe('the interpreter of @huggingface/jinja, which is not used', () => {
  it.each([
    ["{{ 'equal' if '' == false else 'other' }}", 'equal', 'other'],
    ['{{ none }}', '', 'None'],
    ['{{ [true] }}', '[true]', '[True]'],
    ['{% for x in [1, 2] %}{{ x }}{% break %}{% endfor %}', '', '1'],
    ['{% for x in [1, 2] %}{{ y }}{% set y = x %}{% endfor %}', '1', ''],
    ['{% if true %}\r\na{% endif %}', '\r\na', 'a'],
    ['{{ 1.0 | tojson }}', '1', '1.0'],
  ])('makes something else of %s than Jinja2 does', (template, theirs, ours) => {
    expect(new Template(template).render({})).toBe(theirs);
    expect(render(template)).toBe(ours);
  });

  it('lacks filters on lists that Jinja2 has', () => {
    expect(() => new Template("{{ ['a'] | upper }}").render({})).toThrow(/Unknown ArrayValue filter: upper/);
    expect(render("{{ ['a'] | upper }}")).toBe("['A']");
  });
});

describe('JinjaTemplate', () => {
  it.each(['{{ 3 > 2 > 1 }}', "{{ 'a' in 'ab' in ['b'] }}", '{% if 1 == 1 == true %}{% endif %}'])(
    'refuses a chain of comparisons, which the parser reads otherwise: %s',
    (template) => {
      expect(() => render(template)).toThrow(
        expect.objectContaining({ code: 'checkpoint-unsupported', message: expect.stringContaining('a chain') }),
      );
    },
  );

  it('ends with a typed error where a template calls itself for ever', () => {
    expect(() => render('{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}')).toThrow(
      expect.objectContaining({ code: 'samples-invalid', message: expect.stringContaining('too deep') }),
    );
  });
});

describe('readJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (json, blanks) => {
        const value = readJson(JSON.stringify(json, null, blanks));
        expect(JSON.parse(toJson(value, form))).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });

  it('refuses what JSON.parse refuses, with the place', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.constantFrom('', ',', '}', '"', '1', 'x'), (json, seed, fresh) => {
        const text = JSON.stringify(json);
        const at = seed % (text.length + 1);
        const changed = text.slice(0, at) + fresh + text.slice(at + 1);
        let isJson = true;
        try {
          JSON.parse(changed);
        } catch {
          isJson = false;
        }
        if (isJson) expect(toJson(readJson(changed), form)).toBeTypeOf('string');
        else expect(() => readJson(changed)).toThrow(/unexpected at character|ends too early/);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '2512292042121000001',
    '{"b": 1, "10": "x", "2": "y"}',
    '[1.0, 1.50, 1e999, -0.0, 1E+2, 1e5, -0]',
    '[NaN, Infinity, -Infinity]',
  ])('keeps numbers and the order of members: %s', (text) => {
    expect(toJson(readJson(text), form)).toBe(text);
  });

  it('takes the last of two members with one name, as Python does', () => {
    expect(toJson(readJson('{"a": 1, "b": 2, "a": 3}'), form)).toBe('{"a": 3, "b": 2}');
  });

  it('bounds depth and digits', () => {
    expect(() => readJson('['.repeat(100_000))).toThrow(/more than 500 levels/);
    expect(() => readJson('1'.repeat(5000))).toThrow(/more than 4300 digits/);
    expect(toLiteral(readJson(`${'['.repeat(500)}${']'.repeat(500)}`))).toHaveLength(1000);
  });
});

describe('texts of values', () => {
  it('shows a float by digits that give it back, in the form of Python', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = floatText(value);
        expect(Number(text)).toBe(value);
        const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)) + 1e-12);
        if (exponent > -4 && exponent < 15) expect(text).toMatch(/^-?\d+\.\d+$/);
        if (exponent < -6 || exponent > 17) expect(text).toMatch(/^-?\d(?:\.\d+)?e[-+]\d\d+$/);
      }),
    );
    expect([1e16, 123456789012345680, 1e-5, 0.0001, 5e-324, 1e22].map(floatText)).toEqual([
      '1e+16',
      '1.2345678901234568e+17',
      '1e-05',
      '0.0001',
      '5e-324',
      '1e+22',
    ]);
  });

  it('counts and strips characters, not their halves', () => {
    const characters = fc.string({ unit: fc.constantFrom('a', '🙂', '🙃', '\ud83d', '\ude42', 'é') });
    fc.assert(
      fc.property(characters, characters, (text, stripped) => {
        expect(lengthOfText(text)).toBe([...text].length);
        const units = [...text];
        const wanted = new Set(stripped);
        const first = units.findIndex((unit) => !wanted.has(unit));
        const last = units.findLastIndex((unit) => !wanted.has(unit));
        expect(strip(text, stripped)).toBe(first < 0 ? '' : units.slice(first, last + 1).join(''));
      }),
    );
  });

  it('compares texts by characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const [x, y] = [a, b].map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0)) as [
          number[],
          number[],
        ];
        const at = x.findIndex((code, index) => code !== y[index]);
        const expected = at < 0 ? x.length - y.length : (x[at] ?? -1) - (y[at] ?? -1);
        expect(Math.sign(compareTexts(a, b))).toBe(Math.sign(expected));
      }),
    );
  });

  it('strips what Python takes for blanks, in one pass', () => {
    expect(strip('\u0085\u001c\ufeff \u200b\u3000')).toBe('\ufeff \u200b');
    expect(strip(`a${' '.repeat(200_000)}b`)).toHaveLength(200_002);
  });

  it('writes whole numbers of JavaScript as integers', () => {
    expect(toLiteral(toValue([1, 1.5, 1e21, -0]))).toBe('[1, 1.5, 1e+21, 0]');
    expect(toLiteral([new Float(1)])).toBe('[1.0]');
  });
});
