/** Applies the filters that choose, order or combine the items of a list. */
import { bindArguments, requireArgument } from './arguments.ts';
import { getItem } from './attributes.ts';
import { compare, isEqual, operate } from './operators.ts';
import { templateError } from './template-error.ts';
import { answerTest } from './tests.ts';
import { toText } from './text-form.ts';
import { Float, isTrue, itemsOf, orElse, Tuple, typeName, Undefined, type Value } from './values.ts';

type Named = ReadonlyMap<string, Value>;
/** Applies any filter, for those that take another's name. */
type Apply = (name: string, value: Value, positional: readonly Value[], named: Named) => Value;
type ListFilter = (value: Value, positional: readonly Value[], named: Named, apply: Apply) => Value;

/** The filters, by name. */
export const listFilters: Readonly<Record<string, ListFilter>> = {
  dictsort: bound(['case_sensitive', 'by', 'reverse'], sortMapping),
  first: (value) => orElse(itemsOf(value)[0], new Undefined('No first item, sequence was empty.')),
  join: bound(['d', 'attribute'], (value, separator = '', attribute = null) =>
    itemsOf(value)
      .map((item) => toText(attribute === null ? item : readPath(item, attribute)))
      .join(toText(separator)),
  ),
  last: (value) => orElse(itemsOf(value).at(-1), new Undefined('No last item, sequence was empty.')),
  map: mapItems,
  max: bound(['case_sensitive', 'attribute'], (value, ...options) => extreme(value, 1, ...options)),
  min: bound(['case_sensitive', 'attribute'], (value, ...options) => extreme(value, -1, ...options)),
  reject: (value, positional) => choose(value, (item) => !passes(item, positional)),
  rejectattr: (value, positional) => choose(value, (item) => !attributePasses(item, positional)),
  reverse: (value) => (typeof value === 'string' ? [...value].toReversed().join('') : itemsOf(value).toReversed()),
  select: (value, positional) => choose(value, (item) => passes(item, positional)),
  selectattr: (value, positional) => choose(value, (item) => attributePasses(item, positional)),
  sort: bound(['reverse', 'case_sensitive', 'attribute'], (value, reverse = false, isExact = false, attribute = null) =>
    sorted(itemsOf(value), keyReader(attribute, isTrue(isExact)), isTrue(reverse)),
  ),
  sum: bound(['attribute', 'start'], (value, attribute = null, start = 0n) =>
    itemsOf(value).reduce<Value>(
      (sum, item) => operate('+', sum, attribute === null ? item : readPath(item, attribute)),
      start,
    ),
  ),
  unique: bound(['case_sensitive', 'attribute'], (value, isExact = false, attribute = null) => {
    const read = keyReader(attribute, isTrue(isExact));
    const seen: Value[] = [];
    return itemsOf(value).filter((item) => {
      const key = read(item);
      if (Array.isArray(key) || key instanceof Map) throw templateError(`unhashable type: '${typeName(key)}'`);
      const isNew = !seen.some((other) => isEqual(other, key));
      if (isNew) seen.push(key);
      return isNew;
    });
  }),
};

function bound(names: readonly string[], apply: (value: Value, ...given: (Value | undefined)[]) => Value): ListFilter {
  return (value, positional, named) => apply(value, ...bindArguments('the filter', names, positional, named));
}

function choose(value: Value, isWanted: (item: Value) => boolean): Value[] {
  return chosenFrom(value).filter((item) => isWanted(item));
}

/** Returns the items that filters choose from: what counts as false has none, whatever it is. */
function chosenFrom(value: Value): readonly Value[] {
  return isTrue(value) ? itemsOf(value) : [];
}

function passes(item: Value, [test, ...given]: readonly Value[]): boolean {
  return test === undefined ? isTrue(item) : answerTest(toText(test), item, given);
}

function attributePasses(item: Value, [attribute, ...test]: readonly Value[]): boolean {
  return passes(readPath(item, requireArgument('selectattr and rejectattr', 'attribute', attribute)), test);
}

function mapItems(value: Value, positional: readonly Value[], named: Named, apply: Apply): Value {
  const attribute = named.get('attribute');
  if (positional.length === 0 && attribute !== undefined) {
    const fallback = named.get('default');
    return chosenFrom(value).map((item) => readPath(item, attribute, fallback));
  }
  const [name, ...given] = positional;
  const filter = toText(requireArgument('map', 'filter', name));
  return chosenFrom(value).map((item) => apply(filter, item, given, named));
}

/** Reads `a.b.0` of a value, as filters take an attribute; the fallback stands for each part that is not there. */
function readPath(value: Value, path: Value, fallback?: Value): Value {
  const parts =
    typeof path === 'string' ? path.split('.').map((part) => (/^\d+$/u.test(part) ? BigInt(part) : part)) : [path];
  return parts.reduce<Value>((found, part) => {
    const next = getItem(found, part);
    return next instanceof Undefined && fallback !== undefined ? fallback : next;
  }, value);
}

/** Returns what items are compared by: an attribute, and small letters for large ones unless it is exact. */
function keyReader(attribute: Value, isExact: boolean): (item: Value) => Value {
  return (item) => {
    const key = attribute === null ? item : readPath(item, attribute);
    return typeof key === 'string' && !isExact ? key.toLowerCase() : key;
  };
}

function sorted(items: readonly Value[], read: (item: Value) => Value, isReversed: boolean): Value[] {
  const keyed = items.map((item) => [read(item), item] as const);
  // Reversed, equal items keep their order too.
  return keyed.toSorted(([a], [b]) => (isReversed ? compare(b, a) : compare(a, b))).map(([, item]) => item);
}

function sortMapping(value: Value, isExact: Value = false, by: Value = 'key', reverse: Value = false): Value {
  if (by !== 'key' && by !== 'value') throw templateError('You can only sort by either "key" or "value"');
  if (!(value instanceof Map)) throw templateError(`the filter dictsort needs a mapping, not ${typeName(value)}`);
  const read = keyReader(by === 'key' ? 0n : 1n, isTrue(isExact));
  return sorted(
    [...value].map((entry) => new Tuple(entry)),
    read,
    isTrue(reverse),
  );
}

function extreme(value: Value, direction: 1 | -1, isExact: Value = false, attribute: Value = null): Value {
  const read = keyReader(attribute, isTrue(isExact));
  const items = itemsOf(value);
  if (items.some((item) => item instanceof Float && Number.isNaN(item.value))) throw templateError('nan has no order');
  const [first, ...rest] = items;
  if (first === undefined) return new Undefined('No aggregated item, sequence was empty.');
  return rest.reduce((best, item) => (compare(read(item), read(best)) * direction > 0 ? item : best), first);
}
