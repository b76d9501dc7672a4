import { RequestError } from '../http/request-error.ts';
import type { FieldReader } from './read-fields.ts';
import type { AglPage } from './shapes.ts';

/** Says how a list is sorted and cut. */
export interface ListOptions {
  readonly limit: number;
  readonly offset: number;
  readonly sortBy: string | null;
  readonly order: 'asc' | 'desc';
}

/** Reads the options that every list has. @param sortBy the order when none is asked for @throws {RequestError} 400 for a limit or an offset that is none */
export function readListOptions(reader: FieldReader, sortBy: string | null = null): ListOptions {
  const options = {
    limit: reader.integer('limit') ?? -1,
    offset: reader.integer('offset') ?? 0,
    sortBy: reader.text('sort_by') ?? sortBy,
    order: reader.oneOf('sort_order', ['asc', 'desc'] as const) ?? 'asc',
  };
  reader.finish();
  if (options.limit === 0 || options.limit < -1) throw badRequest('Limit must be greater than 0 or -1 for no limit');
  if (options.offset < 0) throw badRequest('Offset must be greater than or equal to 0');
  return options;
}

/** A condition of a list, by the name of the field. */
export interface Condition<Item> {
  readonly isMet: (item: Item) => boolean;
}

/** Returns whether an item meets all conditions, or with `or` one of them; every item does when there are none. */
export function meets<Item>(item: Item, conditions: readonly Condition<Item>[], logic: 'and' | 'or'): boolean {
  if (conditions.length === 0) return true;
  return logic === 'or' ? conditions.some(({ isMet }) => isMet(item)) : conditions.every(({ isMet }) => isMet(item));
}

/** Sorts and cuts a list. @param fields the fields that it may be sorted by @throws {RequestError} 400 for another field */
export function toPage<Item extends object>(
  items: readonly Item[],
  options: ListOptions,
  fields: readonly string[],
): AglPage<Item> {
  const { limit, offset, sortBy, order } = options;
  if (sortBy !== null && !fields.includes(sortBy))
    throw badRequest(`Invalid sort_by: ${sortBy.slice(0, 100)}, allowed fields are: ${fields.join(', ')}`);
  // Our times are whole milliseconds: within one, the order of the list, which is that of the times, decides.
  const listed = order === 'desc' && sortBy?.endsWith('_time') === true ? items.toReversed() : items;
  const sorted = sortBy === null ? items : listed.toSorted(comparing(sortBy, order));
  return {
    items: limit === -1 ? sorted.slice(offset) : sorted.slice(offset, offset + limit),
    limit,
    offset,
    total: items.length,
  };
}

function comparing(field: string, order: 'asc' | 'desc'): (a: object, b: object) => number {
  const sign = order === 'asc' ? 1 : -1;
  return (a, b) => {
    const [left, right] = [a, b].map((item) => sortKey(field, (item as Readonly<Record<string, unknown>>)[field]));
    if (left === right) return 0;
    return sign * ((left as number) < (right as number) ? -1 : 1);
  };
}

/** Returns what a value is sorted by; a time that is not known comes after all others. */
function sortKey(field: string, value: unknown): unknown {
  if (value === null || value === undefined) return field.endsWith('_time') ? Infinity : '';
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

function badRequest(message: string): RequestError {
  return new RequestError(message, { code: 'request-invalid', status: 400 });
}
