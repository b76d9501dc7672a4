/**
 * The calls of one rollout as a tree of token prefixes: a call is placed below the call whose prompt and response are, token
 * for token, the beginning of its own prompt. Interleaved sub-agents each keep their own branch.
 */

/** The tokens of one call, as the tree compares them. */
export interface CallTokens {
  /** Calls of different policies never share a branch: each policy trains on its own samples. */
  readonly policy: string;
  /** Calls of different temperatures never share a branch: a sample is scored at one. @default 1 */
  readonly temperature?: number | undefined;
  /** Shape (P,). */
  readonly promptIds: Int32Array;
  /** Shape (T,). */
  readonly responseIds: Int32Array;
}

/** A path from a root of the tree to a leaf: the indexes of its calls, in order. The last call's prompt contains all of the others' tokens. */
export type PrefixPath = readonly number[];

/**
 * Returns the tree's paths from root to leaf, in the order of their leaves. Every call is on at least one path; a call that several
 * calls continue is on each of theirs. Costs O(K²·P) comparisons at worst, O(K·P) for one growing conversation.
 */
export function prefixPaths(calls: readonly CallTokens[]): readonly PrefixPath[] {
  const parents = calls.map((_, index) => parentOf(calls, index));
  const continued = new Set(parents);
  return calls.flatMap((_, index) => (continued.has(index) ? [] : [pathTo(index, parents)]));
}

/** Finds the earlier call of the same policy and temperature with the longest prompt + response that begins this call's prompt; of equal ones the latest. */
function parentOf(calls: readonly CallTokens[], index: number): number | undefined {
  const call = calls[index]!;
  let parent: number | undefined;
  let longest = 0;
  for (let earlier = index - 1; earlier >= 0; earlier -= 1) {
    const candidate = calls[earlier]!;
    const length = candidate.promptIds.length + candidate.responseIds.length;
    if (length > longest && isComparable(candidate, call) && begins(candidate, call.promptIds)) {
      parent = earlier;
      longest = length;
    }
  }
  return parent;
}

function isComparable(earlier: CallTokens, call: CallTokens): boolean {
  return earlier.policy === call.policy && (earlier.temperature ?? 1) === (call.temperature ?? 1);
}

function begins(earlier: CallTokens, prompt: Int32Array): boolean {
  const { promptIds, responseIds } = earlier;
  if (promptIds.length + responseIds.length > prompt.length) return false;
  // From the end: conversations that differ mostly share their beginning, such as a system prompt.
  for (let t = responseIds.length - 1, at = promptIds.length + t; t >= 0; t -= 1, at -= 1) {
    if (prompt[at] !== responseIds[t]) return false;
  }
  for (let t = promptIds.length - 1; t >= 0; t -= 1) {
    if (prompt[t] !== promptIds[t]) return false;
  }
  return true;
}

function pathTo(leaf: number, parents: readonly (number | undefined)[]): PrefixPath {
  const path: number[] = [];
  for (let at: number | undefined = leaf; at !== undefined; at = parents[at]) path.unshift(at);
  return path;
}
