/** Places a frozen model in memory, each weight once, and its adapters among what is trained. */
import { adaptedLayers, type Adaptation } from './adaptation.ts';
import type { LlamaConfig } from './llama-config.ts';
import { parameterShapes, type Shapes } from './parameter-shapes.ts';
import type { TrainedPlaces } from './trained-places.ts';
import { roundUp, type Adapter, type FrozenMatrix, type FrozenPart, type FrozenVector } from './weights.ts';

/** Frozen weights start on cache lines. */
const alignment = 64;

/** Takes places for frozen parameters, one after the other. Every thread takes the same. */
export class FrozenPlaces {
  readonly matrices: FrozenMatrix[] = [];
  readonly vectors: FrozenVector[] = [];
  /** Bytes taken so far. */
  bytes = 0;
  readonly #shapes: Shapes;
  readonly #adapted: ReadonlySet<string>;
  readonly #adaptation: Adaptation;
  readonly #trained: TrainedPlaces;

  constructor(config: LlamaConfig, adaptation: Adaptation, trained: TrainedPlaces) {
    this.#shapes = parameterShapes(config);
    this.#adapted = new Set(adaptedLayers(config, adaptation));
    this.#adaptation = adaptation;
    this.#trained = trained;
  }

  vector(name: string): FrozenVector {
    const columns = this.#shapes.get(name)![0];
    const vector: FrozenVector = { kind: 'frozen-vector', name, columns, at: this.#take(columns * 4) };
    this.vectors.push(vector);
    return vector;
  }

  /** Stacks matrices that share their input, each part's rows rounded up to 8, with an adapter where they are adapted. */
  matrix(names: readonly string[]): FrozenMatrix {
    const parts: FrozenPart[] = [];
    let row = 0;
    for (const name of names) {
      const [rows, columns] = this.#shapes.get(name) as readonly [number, number];
      parts.push({ name, row, rows, columns });
      row += roundUp(rows, 8);
    }
    const columns = roundUp(parts[0]!.columns, 8);
    const numberBytes = this.#adaptation.frozenType === 'bfloat16' ? 2 : 4;
    const adapter = this.adapter(names.map((name) => name.replace(/\.weight$/, '')));
    const matrix: FrozenMatrix = {
      kind: 'frozen-matrix',
      rows: row,
      columns,
      at: this.#take(row * columns * numberBytes),
      parts,
      ...(adapter && { adapter }),
    };
    this.matrices.push(matrix);
    return matrix;
  }

  /** Places the adapter of layers that share their input; undefined where they are not adapted. */
  adapter(layers: readonly string[]): Adapter | undefined {
    if (!this.#adapted.has(layers[0]!)) return undefined;
    const { rank, alpha } = this.#adaptation;
    return {
      scale: alpha / rank,
      width: roundUp(rank, 8),
      down: this.#trained.matrix(layers.map((layer) => `${layer}.lora_A.weight`)),
      ups: layers.map((layer) => this.#trained.matrix([`${layer}.lora_B.weight`])),
    };
  }

  #take(bytes: number): number {
    const at = this.bytes;
    this.bytes += roundUp(bytes, alignment);
    return at;
  }
}
