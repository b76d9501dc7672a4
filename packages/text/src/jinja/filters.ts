/** Applies Jinja's filters, with transformers' `tojson`. */
import { bindArguments, requireArgument } from './arguments.ts';
import { getAttribute } from './attributes.ts';
import { toJson } from './json-form.ts';
import { listFilters } from './list-filters.ts';
import { testPrefix } from './test-arguments.ts';
import { lackingError, templateError } from './template-error.ts';
import { answerTest } from './tests.ts';
import { toText } from './text-form.ts';
import { capitalize, replace, splitLines, strip } from './text-methods.ts';
import {
  Float,
  isTrue,
  itemsOf,
  lengthOfText,
  numberOf,
  requireCount,
  requireText,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** A filter with the names of its arguments, which it gets in their order. */
export interface Filter {
  readonly names: readonly string[];
  readonly apply: (value: Value, ...given: (Value | undefined)[]) => Value;
}

/** Applies a filter. @throws {BackendError} `checkpoint-unsupported` for one that is not known here */
export function applyFilter(
  name: string,
  value: Value,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
): Value {
  if (name.startsWith(testPrefix)) return answerTest(name.slice(testPrefix.length), value, positional);
  const own = Object.hasOwn(filters, name) ? filters[name] : undefined;
  if (own !== undefined) return own.apply(value, ...bindArguments(name, own.names, positional, named));
  const ofLists = Object.hasOwn(listFilters, name) ? listFilters[name] : undefined;
  if (ofLists === undefined) throw lackingError(`the filter ${name}`);
  return ofLists(value, positional, named, applyFilter);
}

const plain = (apply: (value: Value) => Value): Filter => ({ names: [], apply });
const ofText = (change: (text: string) => Value): Filter => plain((value) => change(toText(value)));

const filters: Readonly<Record<string, Filter>> = {
  abs: plain((value) => {
    const number = numberOf(value);
    if (number instanceof Float) return new Float(Math.abs(number.value));
    if (number === undefined) throw templateError(`bad operand type for abs(): '${typeName(value)}'`);
    return number < 0n ? -number : number;
  }),
  attr: {
    names: ['name'],
    apply: (value, name) => getAttribute(value, requireText(requireArgument('attr', 'name', name), 'name')),
  },
  capitalize: ofText(capitalize),
  count: plain(lengthOf),
  d: defaultFilter(),
  default: defaultFilter(),
  escape: ofText(escapeHtml),
  e: ofText(escapeHtml),
  float: { names: ['default'], apply: toFloat },
  indent: { names: ['width', 'first', 'blank'], apply: indent },
  int: { names: ['default', 'base'], apply: toInteger },
  items: plain((value) => {
    if (value instanceof Undefined) return [];
    if (!(value instanceof Map)) throw templateError('the filter items needs a mapping');
    return [...value].map((entry) => new Tuple(entry));
  }),
  length: plain(lengthOf),
  list: plain((value) => [...itemsOf(value)]),
  lower: ofText((text) => text.toLowerCase()),
  replace: {
    names: ['old', 'new', 'count'],
    apply: (value, old, fresh, count) =>
      replace(
        toText(value),
        toText(requireArgument('replace', 'old', old)),
        toText(requireArgument('replace', 'new', fresh)),
        count === undefined || count === null ? -1 : requireCount(count, 'count'),
      ),
  },
  round: { names: ['precision', 'method'], apply: round },
  // Text is never escaped here, so that marking it as safe changes nothing.
  safe: ofText((text) => text),
  string: ofText((text) => text),
  title: ofText((text) =>
    text.replaceAll(/[^-\s({[<]+/gu, (word) => {
      const [first = '', ...rest] = [...word];
      return first.toUpperCase() + rest.join('').toLowerCase();
    }),
  ),
  tojson: { names: ['ensure_ascii', 'indent', 'separators', 'sort_keys'], apply: writeJson },
  trim: {
    names: ['chars'],
    apply: (value, characters = null) =>
      strip(toText(value), characters === null ? undefined : requireText(characters, 'chars')),
  },
  upper: ofText((text) => text.toUpperCase()),
  wordcount: ofText((text) => BigInt((text.match(/[\p{L}\p{N}_]+/gu) ?? []).length)),
};

function defaultFilter(): Filter {
  return {
    names: ['default_value', 'boolean'],
    apply: (value, fallback = '', forFalse = false) =>
      value instanceof Undefined || (isTrue(forFalse) && !isTrue(value)) ? fallback : value,
  };
}

function lengthOf(value: Value): bigint {
  if (typeof value === 'string') return BigInt(lengthOfText(value));
  return BigInt(value instanceof Map ? value.size : itemsOf(value).length);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>'"]/g, (character) => htmlEscapes[character] ?? character);
}

/** The widest indentation; a template that asks for more is broken. */
const widest = 1000;

function indent(value: Value, width: Value = 4n, first: Value = false, blank: Value = false): Value {
  const margin = typeof width === 'string' ? width : ' '.repeat(Math.min(widest, requireCount(width, 'width')));
  const lines = splitLines(`${requireText(value, 'what is indented')}\n`);
  const rest = lines.slice(1).map((line) => (line === '' && !isTrue(blank) ? line : margin + line));
  return (isTrue(first) ? margin : '') + [lines[0] ?? '', ...rest].join('\n');
}

function toFloat(value: Value, fallback: Value = new Float(0)): Value {
  if (value instanceof Undefined) throw templateError(value.reason);
  const number = numberOf(value);
  if (number !== undefined) return typeof number === 'bigint' ? new Float(Number(number)) : number;
  const text = typeof value === 'string' ? strip(value).replaceAll(/(?<=\d)_(?=\d)/g, '') : '';
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu.test(text) ? new Float(Number(text)) : fallback;
}

function toInteger(value: Value, fallback: Value = 0n, base: Value = 10n): Value {
  if (value instanceof Undefined) throw templateError(value.reason);
  const number = numberOf(value);
  if (typeof number === 'bigint') return number;
  if (requireCount(base, 'base') !== 10) throw lackingError('the filter int with a base other than 10');
  const text = typeof value === 'string' ? strip(value).replaceAll(/(?<=\d)_(?=\d)/g, '') : '';
  if (/^[+-]?\d+$/u.test(text)) return BigInt(text.replace('+', ''));
  const float = toFloat(value, fallback);
  return float instanceof Float && float !== fallback && Number.isFinite(float.value)
    ? BigInt(Math.trunc(float.value))
    : fallback;
}

function round(value: Value, precision: Value = 0n, method: Value = 'common'): Value {
  const number = numberOf(value);
  if (number === undefined) throw templateError(`type ${typeName(value)} cannot be rounded`);
  const digits = requireCount(precision, 'precision');
  if (method === 'common' && typeof number === 'bigint' && digits >= 0) return number;
  const float = typeof number === 'bigint' ? Number(number) : number.value;
  if (method === 'common') return new Float(roundHalfEven(float, digits));
  if (method !== 'ceil' && method !== 'floor') throw templateError('method must be common, ceil or floor');
  return new Float(Math[method](float * 10 ** digits) / 10 ** digits);
}

/** Rounds what is exactly between two numbers to the even one, as Python does. */
function roundHalfEven(value: number, digits: number): number {
  if (digits !== 0 || Math.abs(value % 1) !== 0.5) return Number(value.toFixed(Math.min(100, Math.max(0, digits))));
  return 2 * Math.round(value / 2);
}

function writeJson(value: Value, isAscii?: Value, margin?: Value, separators?: Value, isSorted?: Value): Value {
  const blanks = margin === undefined || margin === null ? undefined : margin;
  const [item, key] = separators === undefined || separators === null ? [] : itemsOf(separators);
  return toJson(value, {
    isAscii: isTrue(isAscii ?? false),
    isSorted: isTrue(isSorted ?? false),
    indent:
      blanks === undefined || typeof blanks === 'string'
        ? blanks
        : ' '.repeat(Math.min(widest, Math.max(0, requireCount(blanks, 'indent')))),
    itemSeparator: item === undefined ? (blanks === undefined ? ', ' : ',') : requireText(item, 'a separator'),
    keySeparator: key === undefined ? ': ' : requireText(key, 'a separator'),
  });
}
