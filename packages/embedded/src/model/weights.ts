/** Defines where a weight lies: trained, in three arrangements of float32, or frozen, in one arrangement. */

/** A named parameter inside the plain region. */
export interface Parameter {
  readonly name: string;
  /** Shape (rows, columns); a vector has one row. */
  readonly rows: number;
  readonly columns: number;
  readonly isVector: boolean;
  /** Index of its first float in the plain region. */
  readonly offset: number;
  /** Floats between rows: `columns`, rounded up to 8. */
  readonly stride: number;
}

/** Trained parameters that one matrix product uses together, stacked by rows: the unit of packing and of the optimizer's work. */
export interface Block {
  readonly kind: 'vector' | 'embedding' | 'linear';
  /** Outputs × inputs of the stacked matrix, rounded up to 8; a vector is (1, n). */
  readonly rows: number;
  readonly columns: number;
  /** Index of the first float in the plain region. */
  readonly offset: number;
  /** Index in the forward region: panels of a linear block, a copy of a vector or of the embedding. */
  readonly forward: number;
  /** Index in the forward region of the panels of an embedding that is the output head as well. */
  readonly forwardHead: number | undefined;
  /** Index in the backward region; only blocks that gradients flow through have one. */
  readonly backward: number | undefined;
}

/** A parameter inside a frozen matrix: some of its rows. */
export interface FrozenPart {
  readonly name: string;
  /** The first of its rows in the matrix. */
  readonly row: number;
  /** Shape (rows, columns), without padding. */
  readonly rows: number;
  readonly columns: number;
}

/** The adapter of a frozen matrix; parts share their input. */
export interface Adapter {
  /** alpha / rank. */
  readonly scale: number;
  /** The rank, rounded up to 8. */
  readonly width: number;
  /** All parts' A, stacked: (parts · width, inputs). */
  readonly down: Block;
  /** Each part's B, (outputs, width). */
  readonly ups: readonly Block[];
}

/** A frozen matrix in panels of 8 outputs, each (inputs, 8), in the frozen region. */
export interface FrozenMatrix {
  readonly kind: 'frozen-matrix';
  /** Outputs × inputs of the stacked matrix, both rounded up to 8. */
  readonly rows: number;
  readonly columns: number;
  /** Index of its first byte in the frozen region. */
  readonly at: number;
  readonly parts: readonly FrozenPart[];
  readonly adapter?: Adapter;
}

/** A frozen vector, in float32 in the frozen region. */
export interface FrozenVector {
  readonly kind: 'frozen-vector';
  readonly name: string;
  readonly columns: number;
  /** Index of its first byte in the frozen region. */
  readonly at: number;
}

export type Matrix = Block | FrozenMatrix;
export type Vector = Block | FrozenVector;

/** Returns the smallest multiple that is not below the value. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
