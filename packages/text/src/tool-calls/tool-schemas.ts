/** Gives argument values that were written as plain text the types that the tool's schema asks for, as vLLM does. */
import type { JsonValue } from '@agent-lightning/core';

import { isJson } from './json-source.ts';

type Schema = Readonly<Record<string, JsonValue | undefined>>;

/** The schemas of a request's tools. */
export class ToolSchemas {
  readonly #properties = new Map<string, Schema>();

  /** @param tools as the OpenAI dialect has them; entries of another shape have no schema */
  constructor(tools: readonly JsonValue[]) {
    for (const tool of tools) {
      const { name, parameters } = asObject(asObject(tool)['function'] ?? tool);
      if (typeof name === 'string') this.#properties.set(name, asObject(asObject(parameters)['properties']));
    }
  }

  /** Tells whether the request has a tool of this name. */
  has(name: string): boolean {
    return this.#properties.has(name);
  }

  /** Returns the schema of a tool's parameter; undefined where there is none. */
  find(tool: string, parameter: string): JsonValue | undefined {
    return this.#properties.get(tool)?.[parameter];
  }
}

/** Returns the schema of a member of an object; undefined where there is none. */
export function memberSchema(schema: JsonValue | undefined, name: string): JsonValue | undefined {
  return asObject(asObject(schema)['properties'])[name];
}

/** Returns the schema of the items of an array; undefined where there is none. */
export function itemSchema(schema: JsonValue | undefined): JsonValue | undefined {
  return asObject(schema)['items'];
}

/** The types in the order in which they are tried. */
const priority = ['null', 'integer', 'number', 'boolean', 'object', 'array', 'string'] as const;
const aliases: Readonly<Record<string, string>> = {
  str: 'string',
  text: 'string',
  varchar: 'string',
  char: 'string',
  enum: 'string',
  int: 'integer',
  int32: 'integer',
  int64: 'integer',
  uint: 'integer',
  uint32: 'integer',
  uint64: 'integer',
  long: 'integer',
  short: 'integer',
  unsigned: 'integer',
  float: 'number',
  float32: 'number',
  float64: 'number',
  double: 'number',
  bool: 'boolean',
  dict: 'object',
  arr: 'array',
  list: 'array',
  sequence: 'array',
};

/**
 * Returns a value as JSON text of the first type that the schema allows and the text can be read as; a string otherwise.
 * Numbers, objects and arrays stay the text that the model wrote.
 *
 * @source vLLM `coerce_to_schema_type`
 */
export function writeTypedValue(text: string, schema: JsonValue | undefined): string {
  const types = typesOf(schema);
  for (const type of priority) {
    const value = types.has(type) ? writeAs(type, text) : undefined;
    if (value !== undefined) return value;
  }
  const isKnown = priority.some((type) => types.has(type));
  return !isKnown && isJson(text) ? text.trim() : JSON.stringify(text);
}

function writeAs(type: (typeof priority)[number], text: string): string | undefined {
  const trimmed = text.trim();
  switch (type) {
    case 'null':
      return text.toLowerCase() === 'null' ? 'null' : undefined;
    case 'integer':
      return /^[+-]?\d+(_\d+)*$/.test(trimmed) ? writeNumber(trimmed) : undefined;
    case 'number':
      return writeNumber(trimmed);
    case 'boolean':
      return { true: 'true', '1': 'true', false: 'false', '0': 'false' }[trimmed.toLowerCase()];
    case 'object':
    case 'array':
      return isJson(trimmed) ? trimmed : undefined;
    case 'string':
      return JSON.stringify(text);
  }
}

/** Returns a number of Python's as JSON text: unchanged where it is JSON already; undefined when it is no number. */
export function writeNumber(text: string): string | undefined {
  if (!/^[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?$/i.test(text)) return undefined;
  if (isJson(text)) return text;
  const [sign, whole, fraction, exponent] = /^([+-]?)([\d_]*)(\.[\d_]*)?(.*)$/.exec(text)!.slice(1) as string[];
  const digits = whole!.replaceAll('_', '').replace(/^0+(?=\d)/, '') || '0';
  const decimals = fraction === undefined ? '' : `.${fraction.replaceAll(/[._]/g, '') || '0'}`;
  return `${sign === '-' ? '-' : ''}${digits}${decimals}${exponent}`;
}

/** Returns the types that a schema names, also in its alternatives; a string where it names none. */
function typesOf(schema: JsonValue | undefined): ReadonlySet<string> {
  const { type, enum: values, ...rest } = asObject(schema);
  const types = new Set<string>();
  for (const named of asArray(type ?? null)) {
    const word = typeof named === 'string' ? named.trim().toLowerCase() : undefined;
    if (word !== undefined) types.add(aliases[word] ?? word);
  }
  for (const value of Array.isArray(values) ? (values as readonly JsonValue[]) : []) types.add(typeOfValue(value));
  for (const field of ['anyOf', 'oneOf', 'allOf'] as const) {
    const choices = rest[field];
    if (Array.isArray(choices))
      for (const choice of choices as readonly JsonValue[]) typesOf(choice).forEach((t) => types.add(t));
  }
  return types.size === 0 ? new Set(['string']) : types;
}

function typeOfValue(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function asArray(value: JsonValue): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
}

function asObject(value: JsonValue | undefined): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}
