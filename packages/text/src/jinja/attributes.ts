/** Reads fields, items and parts of values, as Jinja does: `a.b` prefers a method, `a['b']` an item. */
import { bindArguments, requireArgument } from './arguments.ts';
import { templateError } from './template-error.ts';
import { isEqual } from './operators.ts';
import { textMethod } from './text-methods.ts';
import {
  Callable,
  hasPairs,
  keyOf,
  Namespace,
  numberOf,
  orElse,
  requireCount,
  Tuple,
  typeName,
  Undefined,
  type Mapping,
  type Value,
} from './values.ts';

/** Returns `value.name`. */
export function getAttribute(value: Value, name: string): Value {
  const method = methodOf(value, name);
  if (method !== undefined) return method;
  const item = itemOf(value, name);
  return item === undefined ? missing(value, name) : item;
}

/** Returns `value[key]`. */
export function getItem(value: Value, key: Value): Value {
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  const method = typeof key === 'string' ? methodOf(value, key) : undefined;
  return method ?? missing(value, key);
}

function missing(value: Value, key: Value): Undefined {
  if (value instanceof Undefined) throw templateError(value.reason);
  return new Undefined(`'${typeName(value)} object' has no attribute '${String(key)}'`);
}

function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Map) return isHashable(key) ? value.get(keyOf(key)) : undefined;
  if (value instanceof Namespace) return typeof key === 'string' ? value.fields.get(key) : undefined;
  const index = numberOf(key);
  if (typeof index !== 'bigint') return undefined;
  if (typeof value === 'string') return (hasPairs(value) ? [...value] : value).at(Number(index));
  const items = Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined;
  return items?.at(Number(index));
}

function isHashable(key: Value): boolean {
  return key === null || ['string', 'bigint', 'boolean'].includes(typeof key);
}

function methodOf(value: Value, name: string): Value | undefined {
  if (typeof value === 'string') return textMethod(value, name);
  if (value instanceof Map) return mappingMethod(value, name);
  if (Array.isArray(value) || value instanceof Tuple)
    return listMethod(Array.isArray(value) ? value : value.items, name);
  return undefined;
}

const changing: ReadonlySet<string> = new Set(
  'append clear extend insert pop popitem remove reverse setdefault sort update'.split(' '),
);

function refuseChange(name: string): Callable {
  return new Callable(name, () => {
    throw templateError(`access to the method ${name} is unsafe: a template cannot change its values`);
  });
}

function mappingMethod(mapping: Mapping, name: string): Callable | undefined {
  const without = (result: () => Value): Callable => new Callable(name, result);
  switch (name) {
    case 'get':
      return new Callable(name, (positional, named) => {
        const [key, fallback = null] = bindArguments(name, ['key', 'default'], positional, named);
        return orElse(mapping.get(keyOf(requireArgument(name, 'key', key))), fallback);
      });
    case 'items':
      return without(() => [...mapping].map((entry) => new Tuple(entry)));
    case 'keys':
      return without(() => [...mapping.keys()]);
    case 'values':
      return without(() => [...mapping.values()]);
    case 'copy':
      return without(() => new Map(mapping));
    default:
      return ['clear', 'pop', 'popitem', 'setdefault', 'update'].includes(name) ? refuseChange(name) : undefined;
  }
}

function listMethod(items: readonly Value[], name: string): Callable | undefined {
  const wanted = (positional: readonly Value[], named: ReadonlyMap<string, Value>): Value =>
    requireArgument(name, 'value', bindArguments(name, ['value'], positional, named)[0]);
  switch (name) {
    case 'count':
      return new Callable(name, (...given) => {
        const value = wanted(...given);
        return BigInt(items.filter((item) => isEqual(item, value)).length);
      });
    case 'index':
      return new Callable(name, (...given) => {
        const value = wanted(...given);
        const at = items.findIndex((item) => isEqual(item, value));
        if (at < 0) throw templateError('the value of index() is not in the list');
        return BigInt(at);
      });
    case 'copy':
      return new Callable(name, () => [...items]);
    default:
      return changing.has(name) ? refuseChange(name) : undefined;
  }
}

/** Returns `value[start:stop:step]`; null stands for a bound that is left out. */
export function getSlice(value: Value, bounds: readonly [Value, Value, Value]): Value {
  if (value instanceof Undefined) throw templateError(value.reason);
  if (typeof value === 'string') return pick(hasPairs(value) ? [...value] : value, bounds).join('');
  if (value instanceof Tuple) return new Tuple(pick(value.items, bounds));
  if (!Array.isArray(value)) throw templateError(`'${typeName(value)}' object has no slices`);
  return pick(value, bounds);
}

function pick(items: ArrayLike<Value>, [start, stop, step]: readonly [Value, Value, Value]): Value[] {
  const by = step === null ? 1 : requireCount(step, 'the step of a slice');
  if (by === 0) throw templateError('slice step cannot be zero');
  const { length } = items;
  const clamp = (bound: Value, fallback: number): number => {
    if (bound === null) return fallback;
    const at = requireCount(bound, 'a bound of a slice');
    return Math.min(Math.max(at < 0 ? at + length : at, by > 0 ? 0 : -1), by > 0 ? length : length - 1);
  };
  const from = clamp(start, by > 0 ? 0 : length - 1);
  const to = clamp(stop, by > 0 ? length : -1);
  const picked: Value[] = [];
  for (let at = from; by > 0 ? at < to : at > to; at += by) picked.push(items[at] as Value);
  return picked;
}
