/** Compares token sequences, so that sequences with the same beginning can share its computation. */

/** Returns the number of tokens that `a` and `b` have in common at their beginning. */
export function commonPrefix(a: Int32Array, b: Int32Array): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

/** Orders sequences ascending, token by token; a prefix comes before a sequence that continues it. */
export function compareTokens(a: Int32Array, b: Int32Array): number {
  const shared = commonPrefix(a, b);
  return (a[shared] ?? -1) - (b[shared] ?? -1);
}
