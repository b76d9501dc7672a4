/** Copies frozen weights into the shared memory, rounding matrices to their type, and out of it. */
import { BackendError } from '@agent-lightning/core';
import type { ModelMemory } from './model-memory.ts';
import { readRows, type WeightSource } from './weight-source.ts';
import type { FrozenMatrix, FrozenPart } from './weights.ts';

/** The exponent of infinity in a bfloat16 number. */
const infinite = 0x7f80;

/**
 * Writes all frozen weights into their places.
 * @throws BackendError `checkpoint-unsupported` for a number that is too large for bfloat16
 */
export async function writeFrozen(memory: ModelMemory, source: WeightSource): Promise<void> {
  const { buffer } = memory.memory;
  const { matrices, vectors } = memory.layout.frozen!;
  for (const { name, columns, at } of vectors)
    new Float32Array(buffer, memory.map.frozen + at, columns).set(await source.read(name, 0, columns));
  for (const matrix of matrices) {
    for (const part of matrix.parts) {
      for await (const piece of readRows(source, part.name, part.rows, part.columns))
        writeRows(memory, matrix, part, piece.row, piece.data);
    }
  }
}

/** Returns rows `first` … `first + count − 1` of a frozen parameter, (count, columns), as they are computed with. */
export function readFrozenRows(
  memory: ModelMemory,
  matrix: FrozenMatrix,
  part: FrozenPart,
  first: number,
  count: number,
): Float32Array {
  const out = new Uint32Array(count * part.columns);
  const { numbers, shift } = viewPanels(memory, matrix);
  for (let row = 0; row < count; row++) {
    const from = panelIndex(matrix, part.row + first + row);
    const to = row * part.columns;
    for (let column = 0; column < part.columns; column++) out[to + column] = numbers[from + column * 8]! << shift;
  }
  return new Float32Array(out.buffer);
}

/** Writes rows from `first` on of a part into the matrix's panels. */
function writeRows(
  memory: ModelMemory,
  matrix: FrozenMatrix,
  part: FrozenPart,
  first: number,
  data: Float32Array,
): void {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const { numbers, shift } = viewPanels(memory, matrix);
  const { columns } = part;
  for (let row = 0; row < data.length / columns; row++) {
    const to = panelIndex(matrix, part.row + first + row);
    const from = row * columns;
    for (let column = 0; column < columns; column++) {
      const exact = bits[from + column]!;
      const kept = shift === 0 ? exact : roundToHalf(exact);
      if (shift !== 0 && (kept & infinite) === infinite) throw tooLarge(part.name, data[from + column]!);
      numbers[to + column * 8] = kept;
    }
  }
}

/** Rounds the bits of a float32 number to the nearest bfloat16, ties to even. */
function roundToHalf(bits: number): number {
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Returns the numbers of the panels, and how far their bits are shifted to the left to be those of a float32. */
function viewPanels(
  { memory, map, layout }: ModelMemory,
  { at, rows, columns }: FrozenMatrix,
): { readonly numbers: Uint16Array | Uint32Array; readonly shift: number } {
  const address = map.frozen + at;
  return layout.frozen!.type === 'bfloat16'
    ? { numbers: new Uint16Array(memory.buffer, address, rows * columns), shift: 16 }
    : { numbers: new Uint32Array(memory.buffer, address, rows * columns), shift: 0 };
}

/** Returns the index of a row's first number among the panels; its next number is 8 further. */
function panelIndex({ columns }: FrozenMatrix, row: number): number {
  return (row >>> 3) * columns * 8 + (row & 7);
}

function tooLarge(name: string, value: number): BackendError {
  return new BackendError(
    `The parameter ${name} holds ${value}, which bfloat16 cannot hold. Keep the frozen weights in float32: dtype: 'float32'.`,
    { code: 'checkpoint-unsupported' },
  );
}
