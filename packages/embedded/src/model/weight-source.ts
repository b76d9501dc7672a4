/** Reads weights piece by piece, so that a large model is never in memory twice. */
import type { LlamaWeights } from './llama-config.ts';

/** Weights that are read when they are needed, such as those of a checkpoint's files. Names and shapes are those of `parameterShapes`. */
export interface WeightSource {
  /** Returns `count` numbers of a parameter from `first` on, in row-major order. */
  read(name: string, first: number, count: number): Promise<Float32Array>;
}

/** Numbers that are read at once. */
const pieceFloats = 2 ** 22;

/** Returns the weights as a source. */
export function toSource(weights: LlamaWeights): WeightSource {
  return { read: async (name, first, count) => weights.get(name)!.subarray(first, first + count) };
}

/** Reads a matrix of (rows, columns) in pieces of whole rows. */
export async function* readRows(
  source: WeightSource,
  name: string,
  rows: number,
  columns: number,
): AsyncGenerator<{ readonly row: number; readonly rows: number; readonly data: Float32Array }> {
  const most = Math.max(1, Math.floor(pieceFloats / columns));
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    yield { row, rows: count, data: await source.read(name, row * columns, count * columns) };
  }
}
