/** Writes values as JSON, as Python's `json.dumps` does; numbers that were read from text are written as they were. */
import { spend } from './render-budget.ts';
import { templateError } from './template-error.ts';
import { floatText } from './text-form.ts';
import { Float, Tuple, typeName, type Key, type Value } from './values.ts';

export interface JsonForm {
  /** Writes what is not ASCII as escapes. */
  readonly isAscii: boolean;
  /** The blanks of one level; undefined writes one line. */
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly isSorted: boolean;
}

/** Returns the JSON text. @throws {BackendError} `samples-invalid` for a value that JSON has no form for */
export function toJson(value: Value, form: JsonForm, depth = 0): string {
  spend(1);
  if (value === null) return 'null';
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return jsonText(value, form.isAscii);
  if (value instanceof Float) return value.source ?? jsonFloat(value.value);
  if (Array.isArray(value) || value instanceof Tuple) {
    const items = Array.isArray(value) ? value : value.items;
    return enclose(
      '[',
      items.map((item) => toJson(item, form, depth + 1)),
      ']',
      form,
      depth,
    );
  }
  if (!(value instanceof Map)) throw templateError(`Object of type ${typeName(value)} is not JSON serializable`);
  const entries = [...value];
  if (form.isSorted) entries.sort(([a], [b]) => compareTexts(keyText(a), keyText(b)));
  const members = entries.map(
    ([key, item]) => jsonText(keyText(key), form.isAscii) + form.keySeparator + toJson(item, form, depth + 1),
  );
  return enclose('{', members, '}', form, depth);
}

function enclose(open: string, items: readonly string[], close: string, form: JsonForm, depth: number): string {
  const { indent, itemSeparator } = form;
  if (indent === undefined || items.length === 0) return open + items.join(itemSeparator) + close;
  const line = `\n${indent.repeat(depth + 1)}`;
  return `${open}${line}${items.join(itemSeparator + line)}\n${indent.repeat(depth)}${close}`;
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? floatText(value) : value > 0 ? 'Infinity' : '-Infinity';
}

function jsonText(text: string, isAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!isAscii) return json;
  return json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function keyText(key: Key): string {
  return typeof key === 'string' ? key : toJson(key, plainJson);
}

const plainJson: JsonForm = {
  isAscii: false,
  indent: undefined,
  itemSeparator: ', ',
  keySeparator: ': ',
  isSorted: false,
};

/** Compares texts by their characters, as Python does; JavaScript compares halves of them. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at > 0 && isTrail(a.charCodeAt(at)) && isTrail(b.charCodeAt(at))) at -= 1;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}

function isTrail(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
