/** Log-probabilities of a row of logits: of a given token for training, of a drawn one for sampling. */
import { exponential, maxLane, multiplyAdd, sumLanes } from './simd';

/** The largest of x (n,). */
function largest(n: i32, x: usize): f32 {
  let high = f32x4.splat(<f32>-Infinity);
  let at = x;
  for (const end = x + ((<usize>(n & ~3)) << 2); at < end; at += 16) high = f32x4.max(high, v128.load(at));
  let top = maxLane(high);
  for (const end = x + ((<usize>n) << 2); at < end; at += 4) top = max(top, load<f32>(at));
  return top;
}

/** Σ exp(scale · (x − top)) over x (n,), in double precision over the four lanes' partial sums. */
function sumExponentials(n: i32, x: usize, scale: f32, top: f32): f64 {
  const tops = f32x4.splat(-top * scale),
    scales = f32x4.splat(scale);
  let sums = f32x4.splat(0);
  let at = x;
  for (const end = x + ((<usize>(n & ~3)) << 2); at < end; at += 16)
    sums = f32x4.add(sums, exponential(multiplyAdd(v128.load(at), scales, tops)));
  let sum: f64 = <f64>sumLanes(sums);
  for (const end = x + ((<usize>n) << 2); at < end; at += 4) sum += Math.exp(<f64>((load<f32>(at) - top) * scale));
  return sum;
}

/**
 * Computes for each row of logits (rows, vocabulary) the log-probability of its target (rows,), the log of its normaliser, and the
 * entropy of its distribution, all in nats.
 */
export function tokenLogprobs(
  rows: i32,
  vocabulary: i32,
  logits: usize,
  stride: i32,
  targets: usize,
  logprobs: usize,
  logSums: usize,
  entropies: usize,
): void {
  for (let i = 0; i < rows; i++) {
    const at = (<usize>i) << 2;
    const row = logits + ((<usize>(i * stride)) << 2);
    const top = largest(vocabulary, row);
    const logSum = <f32>(<f64>top + Math.log(sumExponentials(vocabulary, row, 1, top)));
    store<f32>(logSums + at, logSum);
    store<f32>(logprobs + at, load<f32>(row + ((<usize>load<i32>(targets + at)) << 2)) - logSum);
    store<f32>(entropies + at, logSum - expectation(vocabulary, row, logSum));
  }
}

/** Σ p · x for p = exp(x − logSum): the mean logit. */
function expectation(n: i32, x: usize, logSum: f32): f32 {
  const sums = f32x4.splat(-logSum);
  let total = f32x4.splat(0);
  let at = x;
  for (const end = x + ((<usize>(n & ~3)) << 2); at < end; at += 16) {
    const value = v128.load(at);
    total = multiplyAdd(exponential(f32x4.add(value, sums)), value, total);
  }
  let sum = sumLanes(total);
  for (const end = x + ((<usize>n) << 2); at < end; at += 4)
    sum += <f32>Math.exp(<f64>(load<f32>(at) - logSum)) * load<f32>(at);
  return sum;
}

/** Replaces logits by their gradients: coefficient · (onehot(target) − p), for coefficients (rows,) = dLoss / dLogprob. Padding becomes 0. */
export function logitGradients(
  rows: i32,
  vocabulary: i32,
  logits: usize,
  stride: i32,
  targets: usize,
  logSums: usize,
  coefficients: usize,
): void {
  const whole = (<usize>(vocabulary & ~3)) << 2;
  for (let i = 0; i < rows; i++) {
    const at = (<usize>i) << 2;
    const row = logits + ((<usize>(i * stride)) << 2);
    const logSum = load<f32>(logSums + at),
      coefficient = load<f32>(coefficients + at);
    const sums = f32x4.splat(-logSum),
      factor = f32x4.splat(-coefficient);
    let j: usize = 0;
    for (; j < whole; j += 16) v128.store(row + j, f32x4.mul(exponential(f32x4.add(v128.load(row + j), sums)), factor));
    for (const end = (<usize>vocabulary) << 2; j < end; j += 4)
      store<f32>(row + j, -coefficient * <f32>Math.exp(<f64>(load<f32>(row + j) - logSum)));
    if (j < (<usize>stride) << 2) memory.fill(row + j, 0, ((<usize>stride) << 2) - j);
    const target = row + ((<usize>load<i32>(targets + at)) << 2);
    store<f32>(target, load<f32>(target) + coefficient);
  }
}

/**
 * Draws from softmax(logits / temperature) by its cumulative distribution at `uniform` in [0, 1); temperature 0 takes the first
 * largest. Writes the token's log-probability, under temperature 1 when greedy. Returns the token, or −1 when the logits are not finite.
 */
export function sampleToken(vocabulary: i32, logits: usize, temperature: f32, uniform: f64, logprob: usize): i32 {
  const top = largest(vocabulary, logits);
  const scale: f32 = temperature > 0 ? <f32>1 / temperature : 1;
  const sum = sumExponentials(vocabulary, logits, scale, top);
  if (!(sum >= 0.5 && sum < Infinity)) return -1;
  const token = temperature > 0 ? draw(vocabulary, logits, scale, top, uniform * sum) : firstEqual(logits, top);
  store<f32>(logprob, <f32>(<f64>((load<f32>(logits + ((<usize>token) << 2)) - top) * scale) - Math.log(sum)));
  return token;
}

function firstEqual(x: usize, value: f32): i32 {
  let i = 0;
  while (load<f32>(x + ((<usize>i) << 2)) != value) i++;
  return i;
}

/** The first index whose cumulative weight exceeds `threshold`; groups of four are skipped whole. */
function draw(n: i32, x: usize, scale: f32, top: f32, threshold: f64): i32 {
  const tops = f32x4.splat(-top * scale),
    scales = f32x4.splat(scale);
  let below: f64 = 0;
  let last = 0;
  for (let i = 0; i < n; i += 4) {
    const weights = exponential(multiplyAdd(v128.load(x + ((<usize>i) << 2)), scales, tops));
    for (let lane = 0; lane < 4 && i + lane < n; lane++) {
      const weight =
        lane == 0
          ? f32x4.extract_lane(weights, 0)
          : lane == 1
            ? f32x4.extract_lane(weights, 1)
            : lane == 2
              ? f32x4.extract_lane(weights, 2)
              : f32x4.extract_lane(weights, 3);
      if (weight > 0) last = i + lane;
      below += <f64>weight;
      if (below > threshold) return i + lane;
    }
  }
  return last; // rounding left the threshold a hair above the total
}
