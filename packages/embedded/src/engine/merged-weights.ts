/** Adds adapters to the frozen weights beside which they were trained. */
import type { Address, Kernels } from '../kernels/kernels.ts';
import type { Adaptation } from '../model/adaptation.ts';
import { readFrozenRows } from '../model/frozen-weights.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { ModelMemory } from '../model/model-memory.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import type { Block, FrozenMatrix, FrozenPart } from '../model/weights.ts';

/** Rows of a matrix that are computed at once. */
const pieceRows = 256;

/** Returns the configuration of the model that {@link mergeModel} gives: a tied head that is adapted becomes a parameter of its own. */
export function mergedConfig(config: LlamaConfig, adaptation: Adaptation | undefined): LlamaConfig {
  return adaptation?.trainUnembed ? { ...config, tieWordEmbeddings: false } : config;
}

/** Returns the parameters of the whole model with its adapters added, in the order of `parameterShapes`; each is computed when it is asked for. */
export function* mergeModel(
  memory: ModelMemory,
  kernels: Kernels,
  config: LlamaConfig,
): Generator<readonly [string, Float32Array], void> {
  const { frozen, embedding, head } = memory.layout;
  const vectors = new Map(frozen!.vectors.map((vector) => [vector.name, vector]));
  const matrices = new Map(frozen!.matrices.flatMap((matrix) => matrix.parts.map((part) => [part.name, matrix])));
  for (const name of parameterShapes(config).keys()) {
    const vector = vectors.get(name);
    const isTiedHead = name === 'lm_head.weight' && !matrices.has(name);
    const matrix = isTiedHead ? (head as FrozenMatrix) : matrices.get(name);
    if (vector)
      yield [name, new Float32Array(memory.memory.buffer, memory.map.frozen + vector.at, vector.columns).slice()];
    else if (matrix === embedding) yield [name, readFrozenRows(memory, matrix, matrix.parts[0]!, 0, config.vocabSize)];
    else
      yield [
        name,
        mergePart(
          memory,
          kernels,
          matrix!,
          matrix!.parts.find((part) => isTiedHead || part.name === name)!,
        ),
      ];
  }
}

/** Returns a frozen parameter with its adapter added, W + scale · B · A, in float32: (rows, columns), row-major. */
function mergePart(memory: ModelMemory, kernels: Kernels, matrix: FrozenMatrix, part: FrozenPart): Float32Array {
  const merged = new Float32Array(part.rows * part.columns);
  const { adapter } = matrix;
  const index = matrix.parts.indexOf(part);
  const bytes = pieceRows * matrix.columns * 4;
  const scratch = adapter ? memory.heap.allocate(bytes) : 0;
  for (let first = 0; first < part.rows; first += pieceRows) {
    const count = Math.min(pieceRows, part.rows - first);
    const piece = readFrozenRows(memory, matrix, part, first, count);
    if (adapter) {
      multiplyAdapter(memory, kernels, adapter.ups[index]!, adapter.down, index * adapter.width, first, count, scratch);
      const change = new Float32Array(memory.memory.buffer, scratch, count * matrix.columns);
      for (let row = 0; row < count; row++) {
        for (let column = 0; column < part.columns; column++)
          piece[row * part.columns + column]! += adapter.scale * change[row * matrix.columns + column]!;
      }
    }
    merged.set(piece, first * part.columns);
  }
  if (adapter) memory.heap.free(scratch, bytes);
  return merged;
}

/** Computes rows of B · A into `out` (count, inputs), from the training weights; A's rows begin at `innerRow` of the stacked matrix. */
function multiplyAdapter(
  { map }: ModelMemory,
  kernels: Kernels,
  up: Block,
  down: Block,
  innerRow: number,
  first: number,
  count: number,
  out: Address,
): void {
  const b = map.weights + (up.offset + first * up.columns) * 4;
  const a = map.weights + (down.offset + innerRow * down.columns) * 4;
  // B's padded columns are 0, but the rows of A that they would meet may be another part's, or none.
  const inner = Math.min(up.columns, down.rows - innerRow);
  kernels.multiply(count, down.columns, inner, b, up.columns, a, down.columns, 8, out, down.columns, false);
}
