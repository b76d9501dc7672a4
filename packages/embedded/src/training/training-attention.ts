/** Computes attention over the forest of a chunk: each segment's queries against the keys along its path, one head at a time. */
import type { Address } from '../kernels/kernels.ts';
import type { LayerActivations, Model } from '../model/layer-forward.ts';
import type { Chunk, Segment } from './token-tree.ts';
import { queryBlock, type TrainingSpace } from './training-space.ts';

/** Consecutive queries of one segment. */
interface QueryRun {
  /** Index of the first in the chunk. */
  readonly token: number;
  /** Row of the first among the attention's outputs. */
  readonly row: number;
  /** Its position in its path. */
  readonly position: number;
  readonly count: number;
}

/** The queries of each segment whose attention is wanted, in runs of at most `queryBlock`: all, or those of predicting tokens. */
export type QueryPlan = ReadonlyMap<Segment, readonly QueryRun[]>;

/** Plans the attention of every token; each one is its own row. */
export function planAll(chunk: Chunk): QueryPlan {
  return planRuns(chunk, Int32Array.from(chunk.ids.keys()));
}

/** Plans the attention of the predicting tokens; `predicting[i]` has row i. */
export function planPredicting(chunk: Chunk): QueryPlan {
  return planRuns(chunk, chunk.predicting);
}

function planRuns(chunk: Chunk, queries: Int32Array): QueryPlan {
  let row = 0;
  return new Map(
    chunk.segments.map((segment) => {
      const runs: QueryRun[] = [];
      while (row < queries.length && queries[row]! < segment.start + segment.length) {
        const token = queries[row]!;
        let count = 1;
        while (
          count < queryBlock &&
          queries[row + count] === token + count &&
          token + count < segment.start + segment.length
        )
          count++;
        runs.push({ token, row, position: segment.position + token - segment.start, count });
        row += count;
      }
      return [segment, runs];
    }),
  );
}

/** Fills `act.attended`, a row for each query of the plan. */
export function attentionForward(
  model: Model,
  plan: QueryPlan,
  act: LayerActivations,
  space: TrainingSpace,
  layer: number,
): void {
  const { kernels, config, widths } = model;
  const { headSize } = config;
  eachKeyHead(model, plan, (segment, runs, keyHead) => {
    gatherPath(model, segment, act.queryKeyValue, keyHead, space);
    kernels.packTransposed(segment.position + segment.length, headSize, space.keys, headSize, space.keyPanels);
    for (const head of queryHeads(model, keyHead)) {
      for (const { token, row, position, count } of runs) {
        const query = act.queryKeyValue + (token * widths.queryKeyValue + head * headSize) * 4;
        const out = act.attended + (row * widths.attended + head * headSize) * 4;
        kernels.attend(
          count,
          position,
          headSize,
          headSize ** -0.5,
          query,
          widths.queryKeyValue,
          space.keyPanels,
          space.values,
          headSize,
          space.scores,
          out,
          widths.attended,
          logSumsAt(model, space, layer, head, row),
        );
      }
    }
  });
}

/** Adds the gradient of queries, keys and values to `space.dQueryKeyValue`, from `space.dAttended`. */
export function attentionBackward(
  model: Model,
  plan: QueryPlan,
  act: LayerActivations,
  space: TrainingSpace,
  layer: number,
): void {
  const { kernels, config, widths } = model;
  const { headSize } = config;
  eachKeyHead(model, plan, (segment, runs, keyHead) => {
    const keys = segment.position + segment.length;
    gatherPath(model, segment, act.queryKeyValue, keyHead, space);
    kernels.packTransposed(keys, headSize, space.keys, headSize, space.keyPanels);
    kernels.packTransposed(keys, headSize, space.values, headSize, space.valuePanels);
    kernels.clearFloats(keys * headSize, space.dKeys);
    kernels.clearFloats(keys * headSize, space.dValues);
    for (const head of queryHeads(model, keyHead)) {
      for (const { token, row, position, count } of runs) {
        const query = (token * widths.queryKeyValue + head * headSize) * 4;
        kernels.attendBackward(
          count,
          position,
          headSize,
          headSize ** -0.5,
          act.queryKeyValue + query,
          widths.queryKeyValue,
          space.keys,
          space.keyPanels,
          space.valuePanels,
          logSumsAt(model, space, layer, head, row),
          space.dAttended + (row * widths.attended + head * headSize) * 4,
          widths.attended,
          space.scores,
          space.dScores,
          space.dQueryKeyValue + query,
          space.dKeys,
          space.dValues,
        );
      }
    }
    scatterPath(model, segment, keyHead, space);
  });
}

/** Calls `work` for each segment that has queries and each key head. */
function eachKeyHead(
  model: Model,
  plan: QueryPlan,
  work: (segment: Segment, runs: readonly QueryRun[], keyHead: number) => void,
): void {
  for (const [segment, runs] of plan) {
    if (runs.length === 0) continue;
    for (let keyHead = 0; keyHead < model.config.keyValueHeads; keyHead++) work(segment, runs, keyHead);
  }
}

/** Returns the query heads that share a key head. */
function queryHeads({ config }: Model, keyHead: number): number[] {
  const shared = config.heads / config.keyValueHeads;
  return Array.from({ length: shared }, (_, i) => keyHead * shared + i);
}

/** Collects one head's keys and values along the segment's path into `space.keys` and `space.values`. */
function gatherPath(
  { kernels, config, widths }: Model,
  { path }: Segment,
  queryKeyValue: Address,
  keyHead: number,
  space: TrainingSpace,
): void {
  const { headSize } = config;
  for (const { start, length, position } of path) {
    const keys = queryKeyValue + (start * widths.queryKeyValue + (config.heads + keyHead) * headSize) * 4;
    const to = position * headSize * 4;
    kernels.copyRows(length, headSize, keys, widths.queryKeyValue, space.keys + to, headSize);
    kernels.copyRows(
      length,
      headSize,
      keys + config.keyValueHeads * headSize * 4,
      widths.queryKeyValue,
      space.values + to,
      headSize,
    );
  }
}

/** Adds `space.dKeys` and `space.dValues` to the tokens of the segment's path. */
function scatterPath(
  { kernels, config, widths }: Model,
  { path }: Segment,
  keyHead: number,
  space: TrainingSpace,
): void {
  const { headSize } = config;
  for (const { start, length, position } of path) {
    const keys = space.dQueryKeyValue + (start * widths.queryKeyValue + (config.heads + keyHead) * headSize) * 4;
    const from = position * headSize * 4;
    kernels.addRows(length, headSize, space.dKeys + from, headSize, keys, widths.queryKeyValue);
    kernels.addRows(
      length,
      headSize,
      space.dValues + from,
      headSize,
      keys + config.keyValueHeads * headSize * 4,
      widths.queryKeyValue,
    );
  }
}

/** Returns the address of a row's log-sum-exp; they are kept as (layers, heads, capacity). */
function logSumsAt({ config }: Model, space: TrainingSpace, layer: number, head: number, row: number): Address {
  return space.attentionLogSums + ((layer * config.heads + head) * space.capacity.tokens + row) * 4;
}
