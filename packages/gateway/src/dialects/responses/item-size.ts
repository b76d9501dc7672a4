import type { JsonObject } from '../../http/read-body.ts';

/** The most characters that the references of one request may stand for, and that an attempt's items are kept of: a body's default limit. */
export const mostItemCharacters: number = 20 * 1_048_576;

const sizes = new WeakMap<JsonObject, number>();

/** Returns the characters of an item as JSON; each item is measured once, however often it is referred to. */
export function itemSize(item: JsonObject): number {
  const known = sizes.get(item);
  if (known !== undefined) return known;
  const size = JSON.stringify(item).length;
  sizes.set(item, size);
  return size;
}
