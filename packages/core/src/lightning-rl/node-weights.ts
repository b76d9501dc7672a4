/**
 * How much the actions of each agent matter, estimated from calls that rollouts of a group made in one and the same state: the variance of
 * rewards between different replies, over that and the variance among equal replies. A call of an agent whose replies decide nothing
 * then adds less noise to the gradient.
 */
import type { Episode, Transition } from '../transitions/transition.ts';
import { mean, sumSquares } from './spread.ts';

/** Sums of an analysis of variance over the cells of one agent. */
export interface NodeSums {
  /** Σ n_reply · (mean_reply − mean_cell)². */
  readonly betweenSquares: number;
  /** Σ (replies − 1). */
  readonly betweenFreedom: number;
  /** Σ (value − mean_reply)². */
  readonly withinSquares: number;
  /** Σ (members − replies). */
  readonly withinFreedom: number;
  /** Σ (members − Σ_reply n_reply² / members). */
  readonly effectiveSize: number;
}

/** The sums of each agent, by its name. */
export type NodeStatistics = Readonly<Record<string, NodeSums>>;

/** The share of the sums that is carried from batch to batch. */
const carried = 0.85;

/** Returns the sums after a batch: what was carried, and the cells of the batch. */
export function addCells(
  before: NodeStatistics,
  episodes: readonly Episode[],
  differences: ReadonlyMap<string, Float64Array>,
): NodeStatistics {
  const sums: Record<string, NodeSums> = Object.fromEntries(
    Object.entries(before).map(([agent, own]) => [agent, combine(own, noSums, carried)]),
  );
  for (const group of Map.groupBy(episodes, ({ rollout }) => rollout.groupId ?? rollout.rolloutId).values())
    for (const [agentName, cell] of cellsOf(group, differences))
      sums[agentName] = combine(sums[agentName] ?? noSums, analyse(cell), 1);
  return sums;
}

/** Returns the weight of an agent's calls, from its sums: 1 while little is known, and at least 0.1. */
export function toNodeWeight(sums: NodeSums): number {
  const { betweenSquares, betweenFreedom, withinSquares, withinFreedom, effectiveSize } = sums;
  if (betweenFreedom === 0 || withinFreedom === 0) return 1;
  const within = withinSquares / withinFreedom; // σ²
  const between = Math.max(0, (betweenSquares / betweenFreedom - within) / (effectiveSize / betweenFreedom)); // τ²
  const weight = between === 0 ? 0 : (4 * between) / (4 * between + within);
  const confidence = betweenFreedom / (betweenFreedom + 15);
  return 1 - confidence + confidence * Math.max(0.1, weight);
}

/** Returns the differences weighed by agent, and the root of their mean square, every rollout weighing alike. */
export function weighByNode(
  episodes: readonly Episode[],
  differences: ReadonlyMap<string, Float64Array>,
  statistics: NodeStatistics,
): { readonly weighed: ReadonlyMap<string, Float64Array>; readonly rootMeanSquare: number } {
  const weightOf = new Map(Object.entries(statistics).map(([agent, sums]) => [agent, toNodeWeight(sums)]));
  const weighed = new Map(
    episodes.flatMap(({ rollout, transitions }): [string, Float64Array][] => {
      const own = differences.get(rollout.rolloutId);
      if (own === undefined) return [];
      return [[rollout.rolloutId, own.map((value, k) => value * (weightOf.get(transitions[k]!.agentName) ?? 1))]];
    }),
  );
  const all = [...weighed.values()];
  return { weighed, rootMeanSquare: all.length === 0 ? 0 : Math.sqrt(sumSquares(all) / all.length) };
}

/** A reply to one prompt, and the centred rewards of the calls that gave it. */
type Cell = ReadonlyMap<string, readonly number[]>;

/** Returns the cells of a group that say something: calls of one agent with the same prompt and at least two different replies. */
function cellsOf(
  group: readonly Episode[],
  differences: ReadonlyMap<string, Float64Array>,
): readonly (readonly [string, Cell])[] {
  const calls = group.flatMap(({ rollout, transitions }) => {
    const own = differences.get(rollout.rolloutId);
    return own === undefined ? [] : transitions.map((call, k) => ({ call, value: own[k]! }));
  });
  const byState = Map.groupBy(calls, ({ call }) => stateOf(call));
  return [...byState.values()].flatMap((members) => {
    const replies = Map.groupBy(members, ({ call }) => hashOf(call.responseIds));
    if (replies.size < 2) return [];
    const cell = new Map([...replies].map(([reply, given]) => [reply, given.map(({ value }) => value)]));
    return [[members[0]!.call.agentName, cell] as const];
  });
}

function analyse(cell: Cell): NodeSums {
  const replies = [...cell.values()];
  const members = replies.reduce((sum, values) => sum + values.length, 0);
  const center = mean(replies.flat());
  return {
    betweenSquares: replies.reduce((sum, values) => sum + values.length * (mean(values) - center) ** 2, 0),
    betweenFreedom: replies.length - 1,
    withinSquares: replies.reduce((sum, values) => {
      const own = mean(values);
      return values.reduce((total, value) => total + (value - own) ** 2, sum);
    }, 0),
    withinFreedom: members - replies.length,
    effectiveSize: members - replies.reduce((sum, values) => sum + values.length ** 2, 0) / members,
  };
}

const noSums: NodeSums = {
  betweenSquares: 0,
  betweenFreedom: 0,
  withinSquares: 0,
  withinFreedom: 0,
  effectiveSize: 0,
};

function combine(one: NodeSums, other: NodeSums, share: number): NodeSums {
  const add = (name: keyof NodeSums): number => share * one[name] + other[name];
  return {
    betweenSquares: add('betweenSquares'),
    betweenFreedom: add('betweenFreedom'),
    withinSquares: add('withinSquares'),
    withinFreedom: add('withinFreedom'),
    effectiveSize: add('effectiveSize'),
  };
}

function stateOf({ agentName, policy, promptIds }: Transition): string {
  return JSON.stringify([agentName, policy, hashOf(promptIds)]);
}

/** Returns a short name of token ids; two hashes of 32 bits and the length, so that different ids practically never share one. */
function hashOf(ids: Int32Array): string {
  let one = 0x811c9dc5;
  let two = 0x9e3779b9;
  for (const id of ids) {
    one = Math.imul(one ^ id, 0x01000193);
    two = Math.imul((two << 5) ^ (two >>> 27) ^ id, 0x85ebca6b);
  }
  return `${ids.length}:${one >>> 0}:${two >>> 0}`;
}
