/** Packing of matrices into panels of 8 columns, each panel (k, 8) and contiguous, as `multiply` reads its B. */

/** B = source (rows, columns) as it is: k is `rows`, and panels run over `columns`, a multiple of 8. */
export function packPanels(rows: i32, columns: i32, source: usize, stride: i32, out: usize): void {
  for (let j = 0; j < columns; j += 8) {
    let from = source + ((<usize>j) << 2);
    for (let i = 0; i < rows; i++) {
      v128.store(out, v128.load(from));
      v128.store(out, v128.load(from, 16), 16);
      out += 32;
      from += (<usize>stride) << 2;
    }
  }
}

/** B = sourceᵀ: k is `columns`, panels run over `rows`; the last panel is filled up with zeros. */
export function packTransposed(rows: i32, columns: i32, source: usize, stride: i32, out: usize): void {
  const bytes = (<usize>stride) << 2;
  for (let i = 0; i < rows; i += 8) {
    const panelRows = min(8, rows - i);
    if (panelRows < 8) memory.fill(out, 0, (<usize>columns) << 5);
    for (let r = 0; r < panelRows; r++) {
      let from = source + <usize>(i + r) * bytes;
      for (let to = out + ((<usize>r) << 2), end = to + ((<usize>columns) << 5); to < end; to += 32) {
        store<f32>(to, load<f32>(from));
        from += 4;
      }
    }
    out += (<usize>columns) << 5;
  }
}

/** out (n,) = source (n,). */
export function copyFloats(n: i32, source: usize, out: usize): void {
  memory.copy(out, source, (<usize>n) << 2);
}

/** out (n,) = 0. */
export function clearFloats(n: i32, out: usize): void {
  memory.fill(out, 0, (<usize>n) << 2);
}
