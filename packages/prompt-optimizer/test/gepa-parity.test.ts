/** Compares the decisions with those of Python gepa 0.1.4; the fixture is made by tools/reference/make_gepa_fixture.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBest, isSameTexts, meanScore, type Candidate, type Texts } from '../src/candidates/candidate.ts';
import { findFronts, removeDominated, weighParents, type Frontier } from '../src/candidates/pareto-front.ts';
import { isAccepted, isMergeAccepted } from '../src/decisions/acceptance.ts';
import { chooseComponents } from '../src/decisions/components.ts';
import { drawMergeSubsample } from '../src/decisions/merge-subsample.ts';
import { drawMerge, findMerges, mergeTexts, type MergeTriple } from '../src/decisions/merge.ts';
import { splitEpoch } from '../src/decisions/minibatches.ts';

interface RecordedMerge extends MergeTriple {
  readonly weight: number;
  /** The merge when a tie goes to the first candidate, and when it goes to the second. */
  readonly texts?: readonly [Texts, Texts];
  readonly raises?: string;
  readonly differs?: string;
}

interface RecordedPool {
  readonly seed: number;
  readonly pool: readonly Candidate[];
  readonly fronts: readonly (readonly number[])[];
  readonly undominatedFronts: readonly (readonly number[])[];
  readonly parents: readonly (readonly [number, number])[];
  readonly undominated: readonly number[];
  readonly merges: readonly RecordedMerge[];
  readonly leftWhenFirstIsTried: readonly (readonly number[])[];
  readonly subsample: {
    readonly first: number[];
    readonly second: number[];
    readonly ids: number[];
    readonly differs?: string;
  };
  readonly acceptance: readonly {
    readonly before: number[];
    readonly after: number[];
    readonly improvement: boolean;
    readonly improvementOrEqual: boolean;
  }[];
}

interface RecordedIteration {
  readonly poolSize: number;
  readonly pointers: readonly number[];
  readonly parents: readonly (readonly [number, number])[];
  readonly parent?: number;
  readonly components?: readonly string[];
  readonly before?: readonly number[];
  readonly after?: readonly number[];
  readonly merge?: {
    readonly parents: readonly [number, number];
    readonly ancestor: number;
    readonly texts: Texts;
    readonly before: readonly [readonly number[], readonly number[]];
    readonly after: readonly number[];
  };
  readonly accepted: boolean;
}

type Kind = Exclude<Frontier, 'task'>;

interface RecordedFrontiers {
  readonly seed: number;
  readonly pool: readonly Candidate[];
  readonly fronts: Readonly<Record<Kind, readonly (readonly number[])[]>>;
  readonly parents: Readonly<Record<Kind, readonly (readonly [number, number])[]>>;
}

interface Fixture {
  readonly gepa: string;
  readonly pools: readonly RecordedPool[];
  readonly frontiers: readonly RecordedFrontiers[];
  readonly runs: readonly {
    readonly seed: number;
    readonly pool: readonly Candidate[];
    readonly best: number;
    readonly iterations: readonly RecordedIteration[];
  }[];
  readonly epochs: readonly {
    readonly size: number;
    readonly order: readonly number[];
    readonly padded: readonly number[];
    readonly differs?: string;
  }[];
}

const path = join(import.meta.dirname, '__fixtures__/gepa-decisions.json');
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
const toTriple = ({ first, second, ancestor }: MergeTriple): MergeTriple => ({ first, second, ancestor });
type Shares = readonly (readonly [number, number])[];

/** Sorts by position: the order in which Python walks a set of candidates says nothing. */
function sortShares(shares: Iterable<readonly [number, number]>): Shares {
  return [...shares].sort(([one], [other]) => one - other);
}

const closeTo = (shares: Shares): unknown[] =>
  sortShares(shares).map(([position, share]) => [position, expect.closeTo(share, 12) as number]);

describe(`on ${fixture.pools.length} pools, the same as gepa ${fixture.gepa}`, () => {
  it.each(fixture.pools)('fronts, undominated candidates and parents of pool $seed', (recorded) => {
    const { pool } = recorded;
    const fronts = findFronts(pool);
    expect(fronts).toEqual(recorded.fronts);
    const left = removeDominated(fronts, pool.map(meanScore));
    expect(left).toEqual(recorded.undominatedFronts);
    expect([...new Set(left.flat())].sort((a, b) => a - b)).toEqual(recorded.undominated);
    expect(sortShares(weighParents(pool))).toEqual(closeTo(recorded.parents));
  });

  it.each(fixture.pools)('merges of pool $seed', ({ pool, merges, leftWhenFirstIsTried }) => {
    expect(findMerges(pool, [])).toEqual(merges.map(toTriple));
    for (const { texts, weight, ...triple } of merges) {
      expect(meanScore(pool[triple.ancestor]!)).toBeCloseTo(weight, 12);
      if (texts === undefined) expect(weight).toBe(0);
      for (const tie of [0, 1] as const)
        if (texts !== undefined) expect(mergeTexts(pool, triple, () => tie * 0.9).texts).toEqual(texts[tie]);
    }
    expect(
      findMerges(pool, merges.slice(0, 1)).map(({ first, second, ancestor }) => [first, second, ancestor]),
    ).toEqual(leftWhenFirstIsTried);
  });

  it.each(fixture.pools)('subsample and acceptance of pool $seed', ({ subsample, acceptance }) => {
    const { first, second, ids, differs } = subsample;
    const drawn = drawMergeSubsample(first, second, 5, () => 0);
    if (differs === undefined) expect(drawn).toEqual(ids);
    else expect(new Set(drawn)).toEqual(new Set(first.keys()));
    for (const { before, after, improvement, improvementOrEqual } of acceptance) {
      expect(isAccepted(before, after)).toBe(improvement);
      expect(isAccepted(before, after, 'improvement-or-equal')).toBe(improvementOrEqual);
    }
  });

  it('and the fixture has merges of every kind', () => {
    const merges = fixture.pools.flatMap((each) => each.merges);
    const isTie = ({ texts }: RecordedMerge): boolean => JSON.stringify(texts?.[0]) !== JSON.stringify(texts?.[1]);
    expect(merges.filter(isTie).length).toBeGreaterThan(0);
    expect(merges.filter(({ texts, differs }) => texts !== undefined && differs === undefined).length).toBeGreaterThan(
      9,
    );
    expect(merges.filter(({ raises }) => raises !== undefined).length).toBeGreaterThan(0);
  });
});

describe(`with rewards of two dimensions on ${fixture.frontiers.length} pools, the same as gepa ${fixture.gepa}`, () => {
  /** The order in which gepa lists its fronts is not ours, and says nothing. */
  const sortFronts = (fronts: readonly (readonly number[])[]): readonly string[] =>
    fronts.map((front) => JSON.stringify(front)).sort();

  it.each(fixture.frontiers)('fronts and parents of pool $seed', ({ pool, fronts, parents }) => {
    for (const kind of ['dimension', 'hybrid', 'cartesian'] as const) {
      expect(sortFronts(findFronts(pool, kind))).toEqual(sortFronts(fronts[kind]));
      expect(sortShares(weighParents(pool, kind))).toEqual(closeTo(parents[kind]));
    }
  });
});

describe('where gepa is wrong, on purpose otherwise', () => {
  const faulty = fixture.pools.flatMap(({ seed, pool, merges }) => merges.map((merge) => ({ seed, pool, ...merge })));

  it.each(faulty.filter(({ raises }) => raises !== undefined))(
    'merges $first and $second of pool $seed by an ancestor whose score is 0, where gepa raises',
    ({ pool, raises, first, second, ancestor }) => {
      expect(raises).toContain('greater than zero');
      const triples = findMerges(pool, []).filter((other) => other.first !== first || other.second !== second);
      const merge = drawMerge(pool, { triples, results: [] }, () => 0.5);
      const isCopy = [0, 0.9].every((tie) => {
        const { texts } = mergeTexts(pool, { first, second, ancestor }, () => tie);
        return pool.some((candidate) => isSameTexts(candidate.texts, texts));
      });
      if (isCopy) expect(merge).toBeUndefined();
      else expect(merge).toMatchObject({ first, second });
    },
  );

  it.each(fixture.pools)('never draws a merge that repeats a candidate (pool $seed)', ({ pool }) => {
    const seen: MergeTriple[] = [];
    for (;;) {
      const merge = drawMerge(pool, { triples: seen, results: [] }, () => 0.3);
      if (merge === undefined) break;
      expect(pool.map(({ texts }) => texts)).not.toContainEqual(merge.texts);
      seen.push(merge);
    }
    const copies = fixture.pools.flatMap(({ merges }) => merges.filter(({ differs }) => differs?.includes('repeats')));
    expect(copies.length).toBeGreaterThan(0);
  });

  it.each(fixture.epochs)('fills up an epoch of minibatches of $size without a task twice', (recorded) => {
    const { size, order, padded, differs } = recorded;
    const batches = splitEpoch(order, size);
    expect(batches.flat()).toHaveLength(padded.length);
    for (const batch of batches) expect(new Set(batch).size).toBe(size);
    if (differs === undefined && order.length === padded.length) expect(batches.flat()).toEqual(padded);
  });
});

describe(`in ${fixture.runs.length} whole runs of gepa ${fixture.gepa}`, () => {
  it.each(fixture.runs)('the same decisions in every iteration of run $seed', ({ pool, best, iterations }) => {
    const tried: MergeTriple[] = [];
    for (const [index, iteration] of iterations.entries()) {
      const before = pool.slice(0, iteration.poolSize);
      expect(sortShares(weighParents(before))).toEqual(closeTo(iteration.parents));
      const accepted = (iterations[index + 1]?.poolSize ?? pool.length) > iteration.poolSize;
      expect(iteration.accepted).toBe(accepted);
      if (iteration.merge !== undefined) {
        const [first, second] = iteration.merge.parents;
        const triple = { first, second, ancestor: iteration.merge.ancestor };
        expect(findMerges(before, tried)).toContainEqual(triple);
        const merged = [0, 0.9].map((tie) => mergeTexts(before, triple, () => tie).texts);
        expect(merged).toContainEqual(iteration.merge.texts);
        expect(isMergeAccepted(iteration.merge.before, iteration.merge.after)).toBe(accepted);
        tried.push(triple);
      } else if (iteration.components !== undefined) {
        expect(weighParents(before).get(iteration.parent!)).toBeGreaterThan(0);
        const names = Object.keys(pool[0]!.texts);
        const pointer = iteration.pointers[iteration.parent!]!;
        expect(chooseComponents(names, pointer, 'round-robin')).toEqual(iteration.components);
        expect(isAccepted(iteration.before!, iteration.after!)).toBe(accepted);
      }
    }
    expect(findBest(pool)).toBe(best);
  });
});
