import type { JsonObject } from '../../http/read-body.ts';

const sizes = new WeakMap<JsonObject, number>();

/** Returns the characters of an item as JSON; each item is measured once, however often it is referred to. */
export function itemSize(item: JsonObject): number {
  const known = sizes.get(item);
  if (known !== undefined) return known;
  const size = JSON.stringify(item).length;
  sizes.set(item, size);
  return size;
}
