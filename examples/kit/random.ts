/** Numbers in [0, 1) that a seed decides: the same seed gives the same sequence on every machine. */
export type Random = () => number;

/** @source mulberry32, public domain, Tommy Ettinger */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of the items. */
export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Draws items, every kind equally often, however many there are of it: the kind first, then one of its items. */
export function pickerByKind<T extends { readonly kind: string }>(items: readonly T[]): (random: Random) => T {
  const kinds = Object.values(Object.groupBy(items, ({ kind }) => kind)) as T[][];
  return (random) => pick(pick(kinds, random), random);
}

/** A new array with the items in an order that `random` decides (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

/** FNV-1a over the UTF-16 units of a text: 32 bits, unsigned. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
