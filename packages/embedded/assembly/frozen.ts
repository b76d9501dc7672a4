/**
 * Products with a frozen weight matrix W (outputs, inputs), kept once, in panels of 8 outputs, each (inputs, 8), in bfloat16 or
 * float32. Both passes read the same panels: 16 columns at a time are unpacked into `scratch`, which stays in the cache for all rows.
 */
import { strip16, strip8 } from './matmul';
import { multiplyAdd } from './simd';

/** Outputs that the backward product unpacks at once; longer sums are added up block by block. */
const backwardBlock = 2048;

/** Reads four bfloat16 numbers as float32: the low or the high half of eight of them. */
// @ts-ignore: decorator
@inline
function widenLow(x: v128): v128 {
  return i32x4.shl(i32x4.extend_low_i16x8_u(x), 16);
}

// @ts-ignore: decorator
@inline
function widenHigh(x: v128): v128 {
  return i32x4.shl(i32x4.extend_high_i16x8_u(x), 16);
}

/** Widens n bfloat16 numbers, a multiple of 8, into float32. */
function widen(n: i32, source: usize, out: usize): void {
  for (const end = source + (<usize>n << 1); source < end; source += 16) {
    const eight = v128.load(source);
    v128.store(out, widenLow(eight));
    v128.store(out, widenHigh(eight), 16);
    out += 32;
  }
}

/** Rows for which unpacking costs more than it saves: their tiles widen bfloat16 on the way. */
const fewRows = 3;

/**
 * Computes C (rows, 16), two panels of bfloat16, with its sums held in registers and every sum a chain over ascending k, as in `multiply`.
 * `rows`, 1 or 2, is a literal at every call.
 */
// @ts-ignore: decorator
@inline
function halfTile(rows: i32, k: i32, a: usize, ab: usize, panels: usize, panelBytes: usize, c: usize, cb: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00;
  for (const end = a + (<usize>k << 2); a < end; a += 4) {
    const left = v128.load(panels), right = v128.load(panels + panelBytes);
    const b0 = widenLow(left), b1 = widenHigh(left), b2 = widenLow(right), b3 = widenHigh(right);
    const s0 = v128.load32_splat(a);
    c00 = multiplyAdd(s0, b0, c00);
    c01 = multiplyAdd(s0, b1, c01);
    c02 = multiplyAdd(s0, b2, c02);
    c03 = multiplyAdd(s0, b3, c03);
    if (rows > 1) {
      const s1 = v128.load32_splat(a + ab);
      c10 = multiplyAdd(s1, b0, c10);
      c11 = multiplyAdd(s1, b1, c11);
      c12 = multiplyAdd(s1, b2, c12);
      c13 = multiplyAdd(s1, b3, c13);
    }
    panels += 16;
  }
  storeSums(c, c00, c01, c02, c03, accumulate);
  if (rows > 1) storeSums(c + cb, c10, c11, c12, c13, accumulate);
}

// @ts-ignore: decorator
@inline
function storeSums(c: usize, v0: v128, v1: v128, v2: v128, v3: v128, accumulate: bool): void {
  v128.store(c, accumulate ? f32x4.add(v128.load(c), v0) : v0);
  v128.store(c, accumulate ? f32x4.add(v128.load(c, 16), v1) : v1, 16);
  v128.store(c, accumulate ? f32x4.add(v128.load(c, 32), v2) : v2, 32);
  v128.store(c, accumulate ? f32x4.add(v128.load(c, 48), v3) : v3, 48);
}

// One function for each tile, so that V8 allocates registers for each of them alone.
function halfTile1(k: i32, a: usize, ab: usize, panels: usize, panelBytes: usize, c: usize, cb: usize, accumulate: bool): void {
  halfTile(1, k, a, ab, panels, panelBytes, c, cb, accumulate);
}
function halfTile2(k: i32, a: usize, ab: usize, panels: usize, panelBytes: usize, c: usize, cb: usize, accumulate: bool): void {
  halfTile(2, k, a, ab, panels, panelBytes, c, cb, accumulate);
}

/** Computes two panels of C for at most {@link fewRows} rows. */
function fewRowsStrip(m: i32, k: i32, a: usize, ab: usize, panels: usize, panelBytes: usize, c: usize, cb: usize, accumulate: bool): void {
  for (let left = m; left > 0; ) {
    const rows = left > 1 ? 2 : 1;
    if (rows == 2) halfTile2(k, a, ab, panels, panelBytes, c, cb, accumulate);
    else halfTile1(k, a, ab, panels, panelBytes, c, cb, accumulate);
    left -= rows;
    a += <usize>rows * ab;
    c += <usize>rows * cb;
  }
}

/**
 * C (m, n) = A (m, k) · Wᵀ, or C += when `accumulate`, for W (n, k) in panels; n is a multiple of 8. Every element of C is one
 * chain over ascending k, as in `multiply`. `scratch` holds 16 · k floats.
 */
export function multiplyFrozen(m: i32, n: i32, k: i32, a: usize, aStride: i32, panels: usize, isHalf: bool, c: usize, cStride: i32, accumulate: bool, scratch: usize): void {
  const ab = <usize>aStride << 2, cb = <usize>cStride << 2, wide = <usize>k << 5;
  const panelBytes = isHalf ? wide >> 1 : wide;
  let j = 0;
  for (; j + 16 <= n; j += 16) {
    if (isHalf && m <= fewRows) {
      fewRowsStrip(m, k, a, ab, panels, panelBytes, c, cb, accumulate);
    } else {
      if (isHalf) widen(k << 4, panels, scratch);
      strip16(false, m, k, a, ab, ab, isHalf ? scratch : panels, 32, wide, c, cb, accumulate);
    }
    panels += 2 * panelBytes;
    c += 64;
  }
  if (j < n) {
    if (isHalf) widen(k << 3, panels, scratch);
    strip8(false, m, k, a, ab, ab, isHalf ? scratch : panels, 32, c, cb, accumulate);
  }
}

/** C (m, n) = A (m, k) · W for W (k, n) in panels; k and n are multiples of 8. `scratch` holds 16 · 2048 floats. */
export function multiplyFrozenTransposed(m: i32, n: i32, k: i32, a: usize, aStride: i32, panels: usize, isHalf: bool, c: usize, cStride: i32, scratch: usize): void {
  const ab = <usize>aStride << 2, cb = <usize>cStride << 2;
  const numberBits: usize = isHalf ? 1 : 2;
  for (let first = 0; first < k; first += backwardBlock) {
    const outputs = min(backwardBlock, k - first);
    const block = panels + ((<usize>first * <usize>n) << numberBits);
    const from = a + (<usize>first << 2);
    let j = 0;
    for (; j + 16 <= n; j += 16) {
      unpackColumns(outputs, n, 16, block + (<usize>j << (3 + numberBits)), isHalf, scratch);
      strip16(false, m, outputs, from, ab, ab, scratch, 64, 32, c + (<usize>j << 2), cb, first > 0);
    }
    if (j < n) {
      unpackColumns(outputs, n, 8, block + (<usize>j << (3 + numberBits)), isHalf, scratch);
      strip8(false, m, outputs, from, ab, ab, scratch, 32, c + (<usize>j << 2), cb, first > 0);
    }
  }
}

/** Copies `count` neighbouring columns of W (outputs, inputs), from its panels, into rows: out (outputs, count) in float32. */
function unpackColumns(outputs: i32, inputs: i32, count: i32, panels: usize, isHalf: bool, out: usize): void {
  const panelBytes = <usize>inputs << (isHalf ? 4 : 5);
  const groupBytes: usize = isHalf ? 64 : 128;
  const rowBytes = <usize>count << 2;
  for (let panel = 0; panel < outputs; panel += 8) {
    let from = panels;
    for (let column: usize = 0; column < rowBytes; column += 16) {
      unpackSquares(from, isHalf, out + column, rowBytes);
      from += groupBytes;
    }
    panels += panelBytes;
    out += rowBytes << 3;
  }
}

/** Transposes four columns of a panel, (4, 8), into eight rows of four, `rowBytes` apart. */
// @ts-ignore: decorator
@inline
function unpackSquares(from: usize, isHalf: bool, out: usize, rowBytes: usize): void {
  if (isHalf) {
    const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
    transposeSquare(widenLow(a), widenLow(b), widenLow(c), widenLow(d), out, rowBytes);
    transposeSquare(widenHigh(a), widenHigh(b), widenHigh(c), widenHigh(d), out + (rowBytes << 2), rowBytes);
  } else {
    transposeSquare(v128.load(from), v128.load(from, 32), v128.load(from, 64), v128.load(from, 96), out, rowBytes);
    transposeSquare(v128.load(from, 16), v128.load(from, 48), v128.load(from, 80), v128.load(from, 112), out + (rowBytes << 2), rowBytes);
  }
}

// @ts-ignore: decorator
@inline
function transposeSquare(a: v128, b: v128, c: v128, d: v128, out: usize, rowBytes: usize): void {
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5), cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(out + rowBytes, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(out + 2 * rowBytes, v128.shuffle<i64>(abHigh, cdHigh, 0, 2));
  v128.store(out + 3 * rowBytes, v128.shuffle<i64>(abHigh, cdHigh, 1, 3));
}

/** Copies rows of W (·, width), named by `ids` (rows,), from its panels into `out` (rows, width) in float32. */
export function gatherFrozenRows(rows: i32, width: i32, ids: usize, panels: usize, isHalf: bool, out: usize, outStride: i32): void {
  const panelBytes = <usize>width << (isHalf ? 4 : 5);
  for (let i = 0; i < rows; i++) {
    const id = load<i32>(ids + (<usize>i << 2));
    const from = panels + <usize>(id >> 3) * panelBytes + (<usize>(id & 7) << (isHalf ? 1 : 2));
    for (let j: usize = 0; j < <usize>width; j++) {
      const bits = isHalf ? <u32>load<u16>(from + (j << 4)) << 16 : load<u32>(from + (j << 5));
      store<u32>(out + (j << 2), bits);
    }
    out += <usize>outStride << 2;
  }
}
