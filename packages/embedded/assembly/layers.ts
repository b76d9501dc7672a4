/** Everything of a layer that is not a matrix product or attention. Sizes and strides count floats and are multiples of 8. */
import { exponential, multiplyAdd, sumLanes } from './simd';

/** Copies rows of `table` (·, width) named by `ids` (rows,) into `out` (rows, width). */
export function gatherRows(
  rows: i32,
  width: i32,
  ids: usize,
  table: usize,
  tableStride: i32,
  out: usize,
  outStride: i32,
): void {
  for (let i = 0; i < rows; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    memory.copy(out + ((<usize>(i * outStride)) << 2), table + ((<usize>(id * tableStride)) << 2), (<usize>width) << 2);
  }
}

/** Adds rows of `values` (rows, width) to the rows of `table` (·, width) named by `ids` (rows,). */
export function scatterAddRows(
  rows: i32,
  width: i32,
  ids: usize,
  values: usize,
  valuesStride: i32,
  table: usize,
  tableStride: i32,
): void {
  for (let i = 0; i < rows; i++) {
    addInto(
      width,
      values + ((<usize>(i * valuesStride)) << 2),
      table + ((<usize>(load<i32>(ids + ((<usize>i) << 2)) * tableStride)) << 2),
    );
  }
}

/** out (rows, width) = source (rows, width). */
export function copyRows(rows: i32, width: i32, source: usize, sourceStride: i32, out: usize, outStride: i32): void {
  for (let i = 0; i < rows; i++) {
    memory.copy(out, source, <usize>width << 2);
    source += <usize>sourceStride << 2;
    out += <usize>outStride << 2;
  }
}

/** out (rows, width) += source (rows, width). */
export function addRows(rows: i32, width: i32, source: usize, sourceStride: i32, out: usize, outStride: i32): void {
  for (let i = 0; i < rows; i++) {
    addInto(width, source, out);
    source += <usize>sourceStride << 2;
    out += <usize>outStride << 2;
  }
}

/** out (n,) += x (n,). */
export function addInto(n: i32, x: usize, out: usize): void {
  for (let j = 0; j < n; j += 8) {
    v128.store(out, f32x4.add(v128.load(out), v128.load(x)));
    v128.store(out, f32x4.add(v128.load(out, 16), v128.load(x, 16)), 16);
    out += 32;
    x += 32;
  }
}

/** x (rows, width) += vector (width,). */
export function addVector(rows: i32, width: i32, vector: usize, x: usize, xStride: i32): void {
  for (let i = 0; i < rows; i++) {
    addInto(width, vector, x);
    x += <usize>xStride << 2;
  }
}

/** out (width,) += the sum of the rows of x (rows, width). */
export function sumRows(rows: i32, width: i32, x: usize, xStride: i32, out: usize): void {
  for (let i = 0; i < rows; i++) {
    addInto(width, x, out);
    x += <usize>xStride << 2;
  }
}

/** x (rows, width) *= factor. */
export function scaleRows(rows: i32, width: i32, factor: f32, x: usize, xStride: i32): void {
  const factors = f32x4.splat(factor);
  const bytes = <usize>width << 2;
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < bytes; j += 16) v128.store(x + j, f32x4.mul(v128.load(x + j), factors));
    x += <usize>xStride << 2;
  }
}

/** out (rows, width) = x · rsqrt(mean x² + ε) · weight; keeps the reciprocal root (rows,) for the backward pass. */
export function rmsNorm(
  rows: i32,
  width: i32,
  epsilon: f32,
  x: usize,
  xStride: i32,
  weight: usize,
  out: usize,
  outStride: i32,
  inverse: usize,
): void {
  const bytes = (<usize>width) << 2;
  for (let i = 0; i < rows; i++) {
    let squares = f32x4.splat(0);
    for (let j: usize = 0; j < bytes; j += 16) {
      const value = v128.load(x + j);
      squares = multiplyAdd(value, value, squares);
    }
    const scale = <f32>1 / sqrt(sumLanes(squares) / <f32>width + epsilon);
    store<f32>(inverse + ((<usize>i) << 2), scale);
    const scales = f32x4.splat(scale);
    for (let j: usize = 0; j < bytes; j += 16)
      v128.store(out + j, f32x4.mul(f32x4.mul(v128.load(x + j), scales), v128.load(weight + j)));
    x += (<usize>xStride) << 2;
    out += (<usize>outStride) << 2;
  }
}

/** dx (rows, width) += and dWeight (width,) += for `dOut` (rows, width), with s the reciprocal root: dx = s·(w·dy − x·s²·mean(w·dy·x)). */
export function rmsNormBackward(
  rows: i32,
  width: i32,
  x: usize,
  xStride: i32,
  weight: usize,
  inverse: usize,
  dOut: usize,
  dOutStride: i32,
  dx: usize,
  dxStride: i32,
  dWeight: usize,
): void {
  const bytes = (<usize>width) << 2;
  for (let i = 0; i < rows; i++) {
    const scale = load<f32>(inverse + ((<usize>i) << 2));
    const scales = f32x4.splat(scale);
    let dot = f32x4.splat(0);
    for (let j: usize = 0; j < bytes; j += 16) {
      const xdy = f32x4.mul(v128.load(x + j), v128.load(dOut + j));
      v128.store(dWeight + j, multiplyAdd(xdy, scales, v128.load(dWeight + j)));
      dot = multiplyAdd(xdy, v128.load(weight + j), dot);
    }
    const along = f32x4.splat((-sumLanes(dot) / <f32>width) * scale * scale * scale);
    for (let j: usize = 0; j < bytes; j += 16) {
      const across = multiplyAdd(f32x4.mul(v128.load(dOut + j), v128.load(weight + j)), scales, v128.load(dx + j));
      v128.store(dx + j, multiplyAdd(v128.load(x + j), along, across));
    }
    x += (<usize>xStride) << 2;
    dOut += (<usize>dOutStride) << 2;
    dx += (<usize>dxStride) << 2;
  }
}

/**
 * Rotates `heads` heads of each row of x (rows, ≥ heads · headSize) by the row's position, in place. A head's first half
 * pairs with its second ("rotate half"). `cosines` and `sines` are (maxPositions, headSize / 2); `sign` −1 undoes the rotation.
 */
export function rotate(
  rows: i32,
  heads: i32,
  headSize: i32,
  positions: usize,
  cosines: usize,
  sines: usize,
  sign: f32,
  x: usize,
  xStride: i32,
): void {
  const half = (<usize>headSize) << 1;
  const signs = f32x4.splat(sign);
  for (let i = 0; i < rows; i++) {
    const table = <usize>load<i32>(positions + ((<usize>i) << 2)) * half;
    for (let head = x, end = x + <usize>heads * half * 2; head < end; head += half * 2) {
      for (let j: usize = 0; j < half; j += 16) {
        const c = v128.load(cosines + table + j),
          s = f32x4.mul(v128.load(sines + table + j), signs);
        const low = v128.load(head + j),
          high = v128.load(head + half + j);
        v128.store(head + j, f32x4.sub(f32x4.mul(low, c), f32x4.mul(high, s)));
        v128.store(head + half + j, f32x4.add(f32x4.mul(high, c), f32x4.mul(low, s)));
      }
    }
    x += (<usize>xStride) << 2;
  }
}

/** out (rows, width) = silu(gate) · up, where each row of `gateUp` is gate (width) then up (width). */
export function swiglu(rows: i32, width: i32, gateUp: usize, gateUpStride: i32, out: usize, outStride: i32): void {
  const bytes = (<usize>width) << 2;
  const one = f32x4.splat(1);
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < bytes; j += 16) {
      const gate = v128.load(gateUp + j);
      const sigmoid = f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(gate))));
      v128.store(out + j, f32x4.mul(f32x4.mul(gate, sigmoid), v128.load(gateUp + bytes + j)));
    }
    gateUp += (<usize>gateUpStride) << 2;
    out += (<usize>outStride) << 2;
  }
}

/** Replaces gate and up in `gateUp` by their gradients, given `dOut` (rows, width): silu'(g) = σ·(1 + g·(1 − σ)). */
export function swigluBackward(
  rows: i32,
  width: i32,
  gateUp: usize,
  gateUpStride: i32,
  dOut: usize,
  dOutStride: i32,
): void {
  const bytes = (<usize>width) << 2;
  const one = f32x4.splat(1);
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < bytes; j += 16) {
      const gate = v128.load(gateUp + j),
        up = v128.load(gateUp + bytes + j),
        dy = v128.load(dOut + j);
      const sigmoid = f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(gate))));
      const silu = f32x4.mul(gate, sigmoid);
      const slope = f32x4.mul(sigmoid, multiplyAdd(gate, f32x4.sub(one, sigmoid), one));
      v128.store(gateUp + j, f32x4.mul(f32x4.mul(dy, up), slope));
      v128.store(gateUp + bytes + j, f32x4.mul(dy, silu));
    }
    gateUp += (<usize>gateUpStride) << 2;
    dOut += (<usize>dOutStride) << 2;
  }
}
