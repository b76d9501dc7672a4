/** Writes values as text, as Python's `str` and `repr` do. */
import { spend } from './render-budget.ts';
import { Callable, Float, Namespace, Tuple, Undefined, type Value } from './values.ts';

/** Returns the text of a value where a template prints or joins it. */
export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  return value instanceof Undefined ? '' : toLiteral(value);
}

/** Returns the text of a value inside a list or mapping that is printed. */
export function toLiteral(value: Value): string {
  spend(1);
  if (typeof value === 'string') return quote(value);
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Float) return value.source ?? floatText(value.value);
  if (Array.isArray(value)) return `[${value.map(toLiteral).join(', ')}]`;
  if (value instanceof Tuple) return `(${value.items.map(toLiteral).join(', ')}${value.items.length === 1 ? ',' : ''})`;
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${toLiteral(key)}: ${toLiteral(item)}`).join(', ')}}`;
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Namespace) return `<Namespace ${toLiteral(new Map(value.fields))}>`;
  return value instanceof Callable ? `<function ${value.name}>` : String(value);
}

/** Returns a float as Python shows it: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa = '', exponentText = '0'] = Math.abs(value).toExponential().split('e');
  const exponent = Number(exponentText);
  const sign = value < 0 ? '-' : '';
  if (exponent < -4 || exponent >= 16) {
    const digits = Math.abs(exponent).toString().padStart(2, '0');
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  const plain = Math.abs(value).toFixed(Math.max(0, mantissa.replace('.', '').length - 1 - exponent));
  return `${sign}${plain}${plain.includes('.') ? '' : '.0'}`;
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

/** Returns a text in quotes, with what does not print escaped. */
function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replaceAll(/[\\\p{C}\p{Z}'"]/gu, (character) => {
    if (character === ' ') return character;
    if (character === "'" || character === '"') return character === mark ? `\\${character}` : character;
    return escapes[character] ?? escapeCode(character.codePointAt(0) ?? 0);
  });
  return mark + inner + mark;
}

function escapeCode(code: number): string {
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
