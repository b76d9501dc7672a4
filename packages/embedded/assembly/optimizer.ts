/** AdamW and the reduction of gradients; lengths are multiples of 4. */

/** Σ x² over x (n,), in double precision. */
export function sumSquares(n: i32, x: usize): f64 {
  let low = f64x2.splat(0),
    high = f64x2.splat(0);
  for (const end = x + ((<usize>n) << 2); x < end; x += 16) {
    const values = v128.load(x);
    const a = f64x2.promote_low_f32x4(values);
    const b = f64x2.promote_low_f32x4(v128.shuffle<i32>(values, values, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/**
 * Takes one AdamW step (Loshchilov & Hutter, arXiv:1711.05101, as PyTorch computes it) on n weights, with g = gradientScale · gradient:
 * w ← w · decay; m ← β1·m + (1 − β1)·g; v ← β2·v + (1 − β2)·g²; w ← w − stepSize · m / (√v / rootCorrection + ε).
 * `decay` is 1 − lr · weightDecay, `stepSize` lr / (1 − β1ᵗ), `rootCorrection` √(1 − β2ᵗ). Clears the gradient.
 */
export function adamStep(
  n: i32,
  weights: usize,
  gradients: usize,
  moments1: usize,
  moments2: usize,
  gradientScale: f32,
  decay: f32,
  beta1: f32,
  beta2: f32,
  stepSize: f32,
  rootCorrection: f32,
  epsilon: f32,
): void {
  const scale = f32x4.splat(gradientScale),
    keep = f32x4.splat(decay),
    step = f32x4.splat(stepSize),
    root = f32x4.splat(<f32>1 / rootCorrection),
    eps = f32x4.splat(epsilon);
  const b1 = f32x4.splat(beta1),
    c1 = f32x4.splat(1 - beta1),
    b2 = f32x4.splat(beta2),
    c2 = f32x4.splat(1 - beta2);
  const end = (<usize>n) << 2;
  for (let at: usize = 0; at < end; at += 16) {
    const g = f32x4.mul(v128.load(gradients + at), scale);
    const m = f32x4.add(f32x4.mul(b1, v128.load(moments1 + at)), f32x4.mul(c1, g));
    const v = f32x4.add(f32x4.mul(b2, v128.load(moments2 + at)), f32x4.mul(c2, f32x4.mul(g, g)));
    v128.store(moments1 + at, m);
    v128.store(moments2 + at, v);
    const change = f32x4.div(f32x4.mul(step, m), f32x4.add(f32x4.mul(f32x4.sqrt(v), root), eps));
    v128.store(weights + at, f32x4.sub(f32x4.mul(v128.load(weights + at), keep), change));
    v128.store(gradients + at, f32x4.splat(0));
  }
}
