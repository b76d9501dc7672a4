/**
 * Causal attention of one head. The scores of a block of queries live in a scratch matrix (queries, keys), keys rounded
 * up to 8; the backward pass recomputes them from each query's log-sum-exp. Query i sits at `first + i` of its sequence.
 */
import { multiply, multiplyTransposed } from './matmul';
import { exponential, maxLane, multiplyAdd, sumLanes } from './simd';

/** Turns scores into probabilities, in place: row i sees its first `seen + i · advance` keys, the rest up to `width` become 0. Keeps each row's log-sum-exp. */
function maskedSoftmax(rows: i32, seen: i32, advance: i32, scale: f32, scores: usize, width: i32, logSums: usize): void {
  const scales = f32x4.splat(scale);
  for (let i = 0; i < rows; i++, seen += advance) {
    const row = scores + (<usize>(i * width) << 2);
    const end = row + (<usize>width << 2);
    maskFrom(row, seen, end, <f32>-Infinity);
    const rounded = row + (<usize>((seen + 3) & ~3) << 2);
    let high = f32x4.splat(<f32>-Infinity);
    for (let at = row; at < rounded; at += 16) high = f32x4.max(high, v128.load(at));
    const top = maxLane(high) * scale;
    const tops = f32x4.splat(-top);
    let sums = f32x4.splat(0);
    for (let at = row; at < rounded; at += 16) {
      const value = exponential(multiplyAdd(v128.load(at), scales, tops));
      v128.store(at, value);
      sums = f32x4.add(sums, value);
    }
    const sum = sumLanes(sums);
    const normal = f32x4.splat(<f32>1 / sum);
    for (let at = row; at < rounded; at += 16) v128.store(at, f32x4.mul(v128.load(at), normal));
    if (rounded < end) memory.fill(rounded, 0, end - rounded);
    if (logSums) store<f32>(logSums + (<usize>i << 2), top + <f32>Math.log(sum));
  }
}

/** Overwrites the entries of a row from index `seen` to the end of its group of four with `value`. */
// @ts-ignore: decorator
@inline
function maskFrom(row: usize, seen: i32, end: usize, value: f32): void {
  const last = min(end, row + (<usize>((seen + 3) & ~3) << 2));
  for (let at = row + (<usize>seen << 2); at < last; at += 4) store<f32>(at, value);
}

/**
 * out (queries, headSize) = softmax(q · Kᵀ · scale) · V. Keys come as panels of 8 keys, each (headSize, 8); values as
 * rows `vStride` apart. `logSums` (queries,) may be 0.
 */
export function attend(queries: i32, first: i32, headSize: i32, scale: f32, q: usize, qStride: i32, keyPanels: usize, v: usize, vStride: i32, scores: usize, out: usize, outStride: i32, logSums: usize): void {
  const keys = first + queries;
  const width = (keys + 7) & ~7;
  multiply(queries, width, headSize, q, qStride, keyPanels, 8, headSize << 3, scores, width, false);
  maskedSoftmax(queries, first + 1, 1, scale, scores, width, logSums);
  multiply(queries, headSize, keys, scores, width, v, vStride, 8, out, outStride, false);
}

/**
 * Adds to dq, dk and dv for one block of queries. `valuePanels` holds V as `keyPanels` holds K. P = exp(scale · q·Kᵀ − logSum);
 * dV += Pᵀ·dOut; dS = P ∘ (dOut·Vᵀ − rowsum(P ∘ dOut·Vᵀ)) · scale; dQ += dS·K; dK += dSᵀ·Q.
 * K, dK and dV are (keys, headSize) without gaps. `scores` and `dScores` are scratch (queries, keys rounded up to 8).
 */
export function attendBackward(
  queries: i32, first: i32, headSize: i32, scale: f32, q: usize, qStride: i32, k: usize, keyPanels: usize, valuePanels: usize,
  logSums: usize, dOut: usize, dOutStride: i32, scores: usize, dScores: usize, dq: usize, dk: usize, dv: usize,
): void {
  const keys = first + queries;
  const width = (keys + 7) & ~7;
  multiply(queries, width, headSize, q, qStride, keyPanels, 8, headSize << 3, scores, width, false);
  multiply(queries, width, headSize, dOut, dOutStride, valuePanels, 8, headSize << 3, dScores, width, false);
  for (let i = 0; i < queries; i++) {
    scoreGradient(first + i + 1, width, scale, scores + (<usize>(i * width) << 2), dScores + (<usize>(i * width) << 2), load<f32>(logSums + (<usize>i << 2)));
  }
  multiplyTransposed(keys, headSize, queries, scores, width, dOut, dOutStride, dv, headSize);
  multiply(queries, headSize, keys, dScores, width, k, headSize, 8, dq, qStride, true);
  multiplyTransposed(keys, headSize, queries, dScores, width, q, qStride, dk, headSize);
}

/** Turns raw scores into P and dP into dS for one row, both 0 from `seen` on. */
function scoreGradient(seen: i32, width: i32, scale: f32, row: usize, dRow: usize, logSum: f32): void {
  const end = row + (<usize>width << 2);
  const rounded = <usize>((seen + 3) & ~3) << 2;
  maskFrom(row, seen, end, <f32>-Infinity);
  maskFrom(dRow, seen, dRow + (<usize>width << 2), 0);
  const scales = f32x4.splat(scale), sums = f32x4.splat(-logSum);
  let dots = f32x4.splat(0);
  for (let at: usize = 0; at < rounded; at += 16) {
    const p = exponential(multiplyAdd(v128.load(row + at), scales, sums));
    v128.store(row + at, p);
    dots = multiplyAdd(p, v128.load(dRow + at), dots);
  }
  const dot = f32x4.splat(sumLanes(dots));
  for (let at: usize = 0; at < rounded; at += 16) {
    v128.store(dRow + at, f32x4.mul(f32x4.mul(v128.load(row + at), f32x4.sub(v128.load(dRow + at), dot)), scales));
  }
  if (row + rounded < end) {
    memory.fill(row + rounded, 0, end - row - rounded);
    memory.fill(dRow + rounded, 0, end - row - rounded);
  }
}

/**
 * Stores the keys and values of tokens `first` … `first + rows − 1` of one sequence into its cache of one layer: for each head,
 * key panels of 8 tokens, (capacity / 8, headSize, 8), and value rows, (capacity, headSize). `keys` (rows, heads · headSize) and
 * `values` have rows `stride` apart.
 */
export function cacheTokens(rows: i32, first: i32, heads: i32, headSize: i32, keys: usize, values: usize, stride: i32, keyCache: usize, valueCache: usize, capacity: i32): void {
  const headBytes = <usize>headSize << 2;
  const cacheBytes = <usize>(capacity * headSize) << 2;
  for (let i = 0; i < rows; i++) {
    const position = first + i;
    let to = keyCache + (<usize>((position >> 3) * headSize * 8 + (position & 7)) << 2);
    let toValue = valueCache + <usize>position * headBytes;
    for (let head: usize = 0; head < <usize>heads; head++) {
      const key = keys + head * headBytes;
      for (let j: usize = 0; j < headBytes; j += 4) store<f32>(to + (j << 3), load<f32>(key + j));
      memory.copy(toValue, values + head * headBytes, headBytes);
      to += cacheBytes;
      toValue += cacheBytes;
    }
    keys += <usize>stride << 2;
    values += <usize>stride << 2;
  }
}

/**
 * Attention of tokens `first` … `first + queries − 1` of one sequence, all heads, over its cache. The heads that share keys
 * go together when there is one query.
 */
export function attendCached(
  queries: i32, first: i32, heads: i32, keyHeads: i32, headSize: i32, scale: f32, q: usize, qStride: i32,
  keyCache: usize, valueCache: usize, capacity: i32, scores: usize, out: usize, outStride: i32,
): void {
  const shared = heads / keyHeads;
  const headBytes = <usize>headSize << 2;
  const cacheBytes = <usize>(capacity * headSize) << 2;
  const keys = first + queries;
  const width = (keys + 7) & ~7;
  for (let keyHead = 0; keyHead < keyHeads; keyHead++) {
    if (queries == 1) {
      multiply(shared, width, headSize, q, headSize, keyCache, 8, headSize << 3, scores, width, false);
      maskedSoftmax(shared, keys, 0, scale, scores, width, 0);
      multiply(shared, headSize, keys, scores, width, valueCache, headSize, 8, out, headSize, false);
    } else {
      for (let h: usize = 0; h < <usize>shared; h++) {
        attend(queries, first, headSize, scale, q + h * headBytes, qStride, keyCache, valueCache, headSize, scores, out + h * headBytes, outStride, 0);
      }
    }
    q += <usize>shared * headBytes;
    out += <usize>shared * headBytes;
    keyCache += cacheBytes;
    valueCache += cacheBytes;
  }
}
