import { findAncestors, isSameTexts, meanScore, type Candidate, type Texts } from '../candidates/candidate.ts';
import { findFronts, removeDominated, type Frontier } from '../candidates/pareto-front.ts';
import { drawWeighted } from './draws.ts';

/** Two candidates and a common ancestor, by their positions in the pool; `first` is the smaller one of the two. */
export interface MergeTriple {
  readonly first: number;
  readonly second: number;
  readonly ancestor: number;
}

/** A merge: its texts, and from which of the two each component is, in the order of the components. */
export interface Merge extends MergeTriple {
  readonly texts: Texts;
  readonly sources: readonly number[];
}

/** The merges that a run has tried. */
export interface TriedMerges {
  readonly triples: readonly MergeTriple[];
  readonly results: readonly Pick<Merge, 'first' | 'second' | 'sources'>[];
}

/**
 * Finds all triples that could be merged: two undominated candidates of which neither descends from the other, and a common ancestor
 * that is better than neither, where for some component one of them still has the ancestor's text and the other one has not.
 */
export function findMerges(
  pool: readonly Candidate[],
  tried: readonly MergeTriple[],
  frontier: Frontier = 'task',
): readonly MergeTriple[] {
  const means = pool.map(meanScore);
  const undominated = [...new Set(removeDominated(findFronts(pool, frontier), means).flat())].sort((a, b) => a - b);
  return undominated.flatMap((first, index) =>
    undominated.slice(index + 1).flatMap((second) => {
      const [ofFirst, ofSecond] = [findAncestors(pool, first), findAncestors(pool, second)];
      if (ofFirst.has(second) || ofSecond.has(first)) return [];
      return [...ofFirst]
        .filter((each) => ofSecond.has(each) && means[each]! <= means[first]! && means[each]! <= means[second]!)
        .sort((a, b) => a - b)
        .map((ancestor): MergeTriple => ({ first, second, ancestor }))
        .filter((triple) => isComplementary(pool, triple) && !tried.some((other) => isSameTriple(triple, other)));
    }),
  );
}

/**
 * Merges two candidates component by component. Where one has the ancestor's text, the other's is taken; where both have changed it, the text of the
 * better one, or of one drawn by chance when they are equally good; where both have the same text, that one.
 */
export function mergeTexts(pool: readonly Candidate[], triple: MergeTriple, random: () => number): Merge {
  const { first, second, ancestor } = triple;
  const [one, other] = [pool[first]!, pool[second]!];
  const lead = meanScore(one) - meanScore(other);
  const sources = Object.keys(one.texts).map((name) => {
    const [text, otherText] = [one.texts[name], other.texts[name]];
    if (text === otherText) return first;
    if (text === pool[ancestor]!.texts[name]) return second;
    if (otherText === pool[ancestor]!.texts[name]) return first;
    if (lead !== 0) return lead > 0 ? first : second;
    return random() < 0.5 ? first : second;
  });
  const texts = Object.fromEntries(
    Object.keys(one.texts).map((name, index) => [name, pool[sources[index]!]!.texts[name]!]),
  );
  return { ...triple, texts, sources };
}

/**
 * Draws a merge that was not tried yet: a pair by chance, an ancestor with a probability proportional to its mean reward. Undefined when there is none.
 * A merge that repeats a candidate of the pool is never drawn.
 */
export function drawMerge(
  pool: readonly Candidate[],
  tried: TriedMerges,
  random: () => number,
  frontier: Frontier = 'task',
): Merge | undefined {
  let open = findMerges(pool, tried.triples, frontier);
  while (open.length > 0) {
    const pairs = [...Map.groupBy(open, ({ first, second }) => `${first}/${second}`).values()];
    const pair = pairs[Math.floor(random() * pairs.length)]!;
    const weights = pair.map(({ ancestor }) => meanScore(pool[ancestor]!));
    const triple = drawWeighted(pair, weights, random);
    const merge = mergeTexts(pool, triple, random);
    const isCopy = pool.some(({ texts }) => isSameTexts(texts, merge.texts));
    if (!isCopy && !tried.results.some((result) => isSameResult(result, merge))) return merge;
    open = open.filter((each) => each !== triple);
  }
  return undefined;
}

function isComplementary(pool: readonly Candidate[], { first, second, ancestor }: MergeTriple): boolean {
  const [one, other, before] = [pool[first]!.texts, pool[second]!.texts, pool[ancestor]!.texts];
  return Object.keys(before).some(
    (name) => one[name] !== other[name] && (before[name] === one[name] || before[name] === other[name]),
  );
}

function isSameTriple(one: MergeTriple, other: MergeTriple): boolean {
  return one.first === other.first && one.second === other.second && one.ancestor === other.ancestor;
}

function isSameResult(one: TriedMerges['results'][number], other: TriedMerges['results'][number]): boolean {
  return (
    one.first === other.first &&
    one.second === other.second &&
    one.sources.every((source, index) => source === other.sources[index])
  );
}
