/**
 * Matrix products on register tiles. Every element of C is one chain of multiply-adds over ascending k in one lane,
 * so it does not depend on the tile, the batch or the thread that computed it.
 */
import { multiplyAdd } from './simd';

// The build sets LANES: 0 plain 128-bit registers, 1 fused 128-bit, 2 fused and paired by V8 into 256-bit registers.

// @ts-ignore: decorator
@inline
function zero(): v128 {
  return f32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function storeRow(vectors: i32, c: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  v128.store(c, v0);
  v128.store(c, v1, 16);
  if (vectors > 2) {
    v128.store(c, v2, 32);
    v128.store(c, v3, 48);
  }
}

/**
 * Computes one tile of C, (rows, 4 · vectors), with its sums held in registers. `rows` ≤ 6, `vectors` 2 or 4 and `transposed`
 * are literals at every call, so that each call becomes its own straight loop. A is (rows, k), or (k, rows) when transposed.
 */
// @ts-ignore: decorator
@inline
function tile(rows: i32, vectors: i32, transposed: bool, k: i32, a: usize, aBytes: usize, b: usize, bBytes: usize, panelBytes: usize, c: usize, cBytes: usize, accumulate: bool): void {
  let c00 = zero(), c01 = zero(), c02 = zero(), c03 = zero();
  let c10 = zero(), c11 = zero(), c12 = zero(), c13 = zero();
  let c20 = zero(), c21 = zero(), c22 = zero(), c23 = zero();
  let c30 = zero(), c31 = zero(), c32 = zero(), c33 = zero();
  let c40 = zero(), c41 = zero(), c42 = zero(), c43 = zero();
  let c50 = zero(), c51 = zero(), c52 = zero(), c53 = zero();
  let a0 = a, a1 = a + aBytes, a2 = a + 2 * aBytes, a3 = a + 3 * aBytes, a4 = a + 4 * aBytes, a5 = a + 5 * aBytes;
  for (let t = 0; t < k; t++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const b2 = vectors > 2 ? v128.load(b + panelBytes) : zero(), b3 = vectors > 2 ? v128.load(b + panelBytes, 16) : zero();
    {
      const s = v128.load32_splat(a0);
      c00 = multiplyAdd(s, b0, c00);
      c01 = multiplyAdd(s, b1, c01);
      if (vectors > 2) {
        c02 = multiplyAdd(s, b2, c02);
        c03 = multiplyAdd(s, b3, c03);
      }
      if (!transposed) a0 += 4;
    }
    if (rows > 1) {
      const s = transposed ? v128.load32_splat(a0, 4) : v128.load32_splat(a1);
      c10 = multiplyAdd(s, b0, c10);
      c11 = multiplyAdd(s, b1, c11);
      if (vectors > 2) {
        c12 = multiplyAdd(s, b2, c12);
        c13 = multiplyAdd(s, b3, c13);
      }
      if (!transposed) a1 += 4;
    }
    if (rows > 2) {
      const s = transposed ? v128.load32_splat(a0, 8) : v128.load32_splat(a2);
      c20 = multiplyAdd(s, b0, c20);
      c21 = multiplyAdd(s, b1, c21);
      if (vectors > 2) {
        c22 = multiplyAdd(s, b2, c22);
        c23 = multiplyAdd(s, b3, c23);
      }
      if (!transposed) a2 += 4;
    }
    if (rows > 3) {
      const s = transposed ? v128.load32_splat(a0, 12) : v128.load32_splat(a3);
      c30 = multiplyAdd(s, b0, c30);
      c31 = multiplyAdd(s, b1, c31);
      if (vectors > 2) {
        c32 = multiplyAdd(s, b2, c32);
        c33 = multiplyAdd(s, b3, c33);
      }
      if (!transposed) a3 += 4;
    }
    if (rows > 4) {
      const s = transposed ? v128.load32_splat(a0, 16) : v128.load32_splat(a4);
      c40 = multiplyAdd(s, b0, c40);
      c41 = multiplyAdd(s, b1, c41);
      if (vectors > 2) {
        c42 = multiplyAdd(s, b2, c42);
        c43 = multiplyAdd(s, b3, c43);
      }
      if (!transposed) a4 += 4;
    }
    if (rows > 5) {
      const s = transposed ? v128.load32_splat(a0, 20) : v128.load32_splat(a5);
      c50 = multiplyAdd(s, b0, c50);
      c51 = multiplyAdd(s, b1, c51);
      if (vectors > 2) {
        c52 = multiplyAdd(s, b2, c52);
        c53 = multiplyAdd(s, b3, c53);
      }
      if (!transposed) a5 += 4;
    }
    if (transposed) a0 += aBytes;
    b += bBytes;
  }
  // All stores stand together, without a branch between them: that is where V8 looks for pairs to join.
  const d1 = c + cBytes, d2 = d1 + cBytes, d3 = d2 + cBytes, d4 = d3 + cBytes, d5 = d4 + cBytes;
  if (accumulate) {
    {
      c00 = f32x4.add(v128.load(c), c00);
      c01 = f32x4.add(v128.load(c, 16), c01);
      if (vectors > 2) {
        c02 = f32x4.add(v128.load(c, 32), c02);
        c03 = f32x4.add(v128.load(c, 48), c03);
      }
    }
    if (rows > 1) {
      c10 = f32x4.add(v128.load(d1), c10);
      c11 = f32x4.add(v128.load(d1, 16), c11);
      if (vectors > 2) {
        c12 = f32x4.add(v128.load(d1, 32), c12);
        c13 = f32x4.add(v128.load(d1, 48), c13);
      }
    }
    if (rows > 2) {
      c20 = f32x4.add(v128.load(d2), c20);
      c21 = f32x4.add(v128.load(d2, 16), c21);
      if (vectors > 2) {
        c22 = f32x4.add(v128.load(d2, 32), c22);
        c23 = f32x4.add(v128.load(d2, 48), c23);
      }
    }
    if (rows > 3) {
      c30 = f32x4.add(v128.load(d3), c30);
      c31 = f32x4.add(v128.load(d3, 16), c31);
      if (vectors > 2) {
        c32 = f32x4.add(v128.load(d3, 32), c32);
        c33 = f32x4.add(v128.load(d3, 48), c33);
      }
    }
    if (rows > 4) {
      c40 = f32x4.add(v128.load(d4), c40);
      c41 = f32x4.add(v128.load(d4, 16), c41);
      if (vectors > 2) {
        c42 = f32x4.add(v128.load(d4, 32), c42);
        c43 = f32x4.add(v128.load(d4, 48), c43);
      }
    }
    if (rows > 5) {
      c50 = f32x4.add(v128.load(d5), c50);
      c51 = f32x4.add(v128.load(d5, 16), c51);
      if (vectors > 2) {
        c52 = f32x4.add(v128.load(d5, 32), c52);
        c53 = f32x4.add(v128.load(d5, 48), c53);
      }
    }
  }
  storeRow(vectors, c, c00, c01, c02, c03);
  if (rows > 1) storeRow(vectors, d1, c10, c11, c12, c13);
  if (rows > 2) storeRow(vectors, d2, c20, c21, c22, c23);
  if (rows > 3) storeRow(vectors, d3, c30, c31, c32, c33);
  if (rows > 4) storeRow(vectors, d4, c40, c41, c42, c43);
  if (rows > 5) storeRow(vectors, d5, c50, c51, c52, c53);
}

// One function for each tile in use, so that V8 allocates registers for each of them alone.
function rows6by16(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, pb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(6, 4, true, k, a, ab, b, bb, pb, c, cb, acc);
  else tile(6, 4, false, k, a, ab, b, bb, pb, c, cb, acc);
}
function rows4by16(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, pb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(4, 4, true, k, a, ab, b, bb, pb, c, cb, acc);
  else tile(4, 4, false, k, a, ab, b, bb, pb, c, cb, acc);
}
function rows2by16(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, pb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(2, 4, true, k, a, ab, b, bb, pb, c, cb, acc);
  else tile(2, 4, false, k, a, ab, b, bb, pb, c, cb, acc);
}
function rows1by16(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, pb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(1, 4, true, k, a, ab, b, bb, pb, c, cb, acc);
  else tile(1, 4, false, k, a, ab, b, bb, pb, c, cb, acc);
}
function rows6by8(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(6, 2, true, k, a, ab, b, bb, 0, c, cb, acc);
  else tile(6, 2, false, k, a, ab, b, bb, 0, c, cb, acc);
}
function rows4by8(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(4, 2, true, k, a, ab, b, bb, 0, c, cb, acc);
  else tile(4, 2, false, k, a, ab, b, bb, 0, c, cb, acc);
}
function rows2by8(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(2, 2, true, k, a, ab, b, bb, 0, c, cb, acc);
  else tile(2, 2, false, k, a, ab, b, bb, 0, c, cb, acc);
}
function rows1by8(t: bool, k: i32, a: usize, ab: usize, b: usize, bb: usize, c: usize, cb: usize, acc: bool): void {
  if (t) tile(1, 2, true, k, a, ab, b, bb, 0, c, cb, acc);
  else tile(1, 2, false, k, a, ab, b, bb, 0, c, cb, acc);
}

/** Two panels of C, (m, 16). Fused 128-bit registers hold 6 × 8 best, plain ones 4 × 8, 256-bit ones 6 × 16. */
export function strip16(t: bool, m: i32, k: i32, a: usize, ab: usize, aRow: usize, b: usize, bb: usize, pb: usize, c: usize, cb: usize, acc: bool): void {
  for (let left = m; left > 0; ) {
    let rows: i32;
    if (LANES > 0 && left >= 6 && left != 8) {
      rows = 6;
      if (LANES > 1) {
        rows6by16(t, k, a, ab, b, bb, pb, c, cb, acc);
      } else {
        rows6by8(t, k, a, ab, b, bb, c, cb, acc);
        rows6by8(t, k, a, ab, b + pb, bb, c + 32, cb, acc);
      }
    } else if (left >= 4) {
      rows = 4;
      if (LANES > 1) {
        rows4by16(t, k, a, ab, b, bb, pb, c, cb, acc);
      } else {
        rows4by8(t, k, a, ab, b, bb, c, cb, acc);
        rows4by8(t, k, a, ab, b + pb, bb, c + 32, cb, acc);
      }
    } else if (left >= 2) {
      rows = 2;
      rows2by16(t, k, a, ab, b, bb, pb, c, cb, acc);
    } else {
      rows = 1;
      rows1by16(t, k, a, ab, b, bb, pb, c, cb, acc);
    }
    left -= rows;
    a += (<usize>rows) * aRow;
    c += (<usize>rows) * cb;
  }
}

/** Computes one panel of C, (m, 8). */
export function strip8(t: bool, m: i32, k: i32, a: usize, ab: usize, aRow: usize, b: usize, bb: usize, c: usize, cb: usize, acc: bool): void {
  for (let left = m; left > 0; ) {
    let rows: i32;
    if (LANES > 0 && left >= 6 && left != 8) {
      rows = 6;
      rows6by8(t, k, a, ab, b, bb, c, cb, acc);
    } else if (left >= 4) {
      rows = 4;
      rows4by8(t, k, a, ab, b, bb, c, cb, acc);
    } else if (left >= 2) {
      rows = 2;
      rows2by8(t, k, a, ab, b, bb, c, cb, acc);
    } else {
      rows = 1;
      rows1by8(t, k, a, ab, b, bb, c, cb, acc);
    }
    left -= rows;
    a += (<usize>rows) * aRow;
    c += (<usize>rows) * cb;
  }
}

/**
 * C (m, n) = A (m, k) · B (k, n), or C += when `accumulate`; n is a multiple of 8. Strides count floats. Column j of
 * B's row t is at `b + (j / 8) · panelStride + t · bStride + j % 8`: packed panels have bStride 8 and panelStride 8 · k,
 * an ordinary row-major matrix has panelStride 8.
 */
export function multiply(m: i32, n: i32, k: i32, a: usize, aStride: i32, b: usize, bStride: i32, panelStride: i32, c: usize, cStride: i32, accumulate: bool): void {
  const ab = (<usize>aStride) << 2, bb = (<usize>bStride) << 2, pb = (<usize>panelStride) << 2, cb = (<usize>cStride) << 2;
  let j = 0;
  for (; j + 16 <= n; j += 16) strip16(false, m, k, a, ab, ab, b + ((<usize>j) >> 3) * pb, bb, pb, c + ((<usize>j) << 2), cb, accumulate);
  if (j < n) strip8(false, m, k, a, ab, ab, b + ((<usize>j) >> 3) * pb, bb, c + ((<usize>j) << 2), cb, accumulate);
}

/** C (m, n) += Aᵀ · B for A (k, m) and B (k, n), both row-major; n is a multiple of 8. */
export function multiplyTransposed(m: i32, n: i32, k: i32, a: usize, aStride: i32, b: usize, bStride: i32, c: usize, cStride: i32): void {
  const ab = (<usize>aStride) << 2, bb = (<usize>bStride) << 2, cb = (<usize>cStride) << 2;
  let j = 0;
  for (; j + 16 <= n; j += 16) strip16(true, m, k, a, ab, 4, b + ((<usize>j) << 2), bb, 32, c + ((<usize>j) << 2), cb, true);
  if (j < n) strip8(true, m, k, a, ab, 4, b + ((<usize>j) << 2), bb, c + ((<usize>j) << 2), cb, true);
}
