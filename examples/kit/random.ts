import { randomOrder } from '@agent-lightning/core';

/** Numbers in [0, 1) that a seed decides: the same seed gives the same sequence on every machine. */
export type Random = () => number;

/** One of the items. */
export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Draws items, every kind equally often, however many there are of it: the kind first, then one of its items. */
export function pickerByKind<T extends { readonly kind: string }>(items: readonly T[]): (random: Random) => T {
  const kinds = Object.values(Object.groupBy(items, ({ kind }) => kind)) as T[][];
  return (random) => pick(pick(kinds, random), random);
}

/** Returns a new array with the items in an order that `random` decides. */
export function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return randomOrder(items.length, random).map((index) => items[index] as T);
}

/** FNV-1a over the UTF-16 units of a text: 32 bits, unsigned. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
