/** Multiplies by a weight matrix, forward and backward, whether it is trained, or frozen with an adapter beside it. */
import type { Address } from '../kernels/kernels.ts';
import type { Model } from './layer-forward.ts';
import { roundUp, type Adapter, type Block, type FrozenMatrix, type Matrix, type Vector } from './weights.ts';

/** Rows that an adapter handles at once; its working memory is this many rows of its inner width, twice. */
export const adapterRows = 256;

/** Rows of activations, (rows, width), `stride` floats apart. */
export interface Rows {
  readonly at: Address;
  readonly stride: number;
}

/** Computes C (rows, outputs) = A · Wᵀ, or C += when `accumulate`, with the trained weights at `forward`. */
export function linear(
  model: Model,
  forward: Address,
  matrix: Matrix,
  rows: number,
  a: Rows,
  c: Rows,
  accumulate = false,
): void {
  if (matrix.kind !== 'frozen-matrix') return multiplyPanels(model, forward, matrix, rows, a, c, accumulate);
  const { at, outputs, inputs, isHalf, unpacked } = frozenOperand(model, matrix);
  model.kernels.multiplyFrozen(rows, outputs, inputs, a.at, a.stride, at, isHalf, c.at, c.stride, accumulate, unpacked);
  const { adapter } = matrix;
  if (!adapter) return;
  eachPiece(rows, a, c, (count, x, y) => {
    const inner = multiplyDown(model, forward, adapter, count, x);
    for (const [part, up] of adapter.ups.entries())
      multiplyPanels(model, forward, up, count, partOf(inner, adapter, part), outputsOf(y, matrix, part), true);
  });
}

/**
 * Computes the gradients of C = A · Wᵀ with the training weights: dA (rows, inputs) = dC · W, and what is trained of W's gradient
 * is added at `gradients`.
 */
export function linearBackward(
  model: Model,
  matrix: Matrix,
  rows: number,
  dC: Rows,
  a: Rows,
  dA: Rows,
  gradients: Address,
): void {
  if (matrix.kind !== 'frozen-matrix') {
    multiplyBackwardPanels(model, matrix, rows, dC, dA, false);
    return addGradient(model, matrix, rows, dC, a, gradients);
  }
  const { at, outputs, inputs, isHalf, unpacked } = frozenOperand(model, matrix);
  model.kernels.multiplyFrozenTransposed(
    rows,
    inputs,
    outputs,
    dC.at,
    dC.stride,
    at,
    isHalf,
    dA.at,
    dA.stride,
    unpacked,
  );
  const { adapter } = matrix;
  if (!adapter) return;
  eachPiece(rows, a, dC, (count, x, dy, first) => {
    const inner = multiplyDown(model, model.map.forward, adapter, count, x);
    const dInner: Rows = { at: model.scratch!.dInner, stride: inner.stride };
    for (const [part, up] of adapter.ups.entries()) {
      const dPart = outputsOf(dy, matrix, part);
      addGradient(model, up, count, dPart, partOf(inner, adapter, part), gradients);
      multiplyBackwardPanels(model, up, count, dPart, partOf(dInner, adapter, part), false);
    }
    model.kernels.scaleRows(count, inner.stride, adapter.scale, dInner.at, dInner.stride);
    multiplyBackwardPanels(model, adapter.down, count, dInner, skipRows(dA, first), true);
    addGradient(model, adapter.down, count, dInner, x, gradients);
  });
}

/** Returns the address of a vector among the trained weights at `forward`, or among the frozen ones. */
export function vectorAt({ map }: Model, forward: Address, vector: Vector): Address {
  return vector.kind === 'frozen-vector' ? map.frozen + vector.at : forward + vector.forward * 4;
}

/** Computes scale · A · downᵀ, (rows, parts · width), in the adapter's working memory. */
function multiplyDown(model: Model, forward: Address, { down, scale }: Adapter, rows: number, x: Rows): Rows {
  const inner = { at: model.scratch!.inner, stride: roundUp(down.rows, 8) };
  multiplyPanels(model, forward, down, rows, x, inner, false);
  model.kernels.scaleRows(rows, inner.stride, scale, inner.at, inner.stride);
  return inner;
}

function multiplyPanels(
  { kernels }: Model,
  forward: Address,
  block: Block,
  rows: number,
  a: Rows,
  c: Rows,
  accumulate: boolean,
): void {
  const panels = forward + (block.forwardHead ?? block.forward) * 4;
  const { columns } = block;
  kernels.multiply(
    rows,
    roundUp(block.rows, 8),
    columns,
    a.at,
    a.stride,
    panels,
    8,
    8 * columns,
    c.at,
    c.stride,
    accumulate,
  );
}

function multiplyBackwardPanels(
  { kernels, map }: Model,
  block: Block,
  rows: number,
  dC: Rows,
  dA: Rows,
  accumulate: boolean,
): void {
  const panels = map.backward + block.backward! * 4;
  const { columns, rows: outputs } = block;
  kernels.multiply(rows, columns, outputs, dC.at, dC.stride, panels, 8, 8 * outputs, dA.at, dA.stride, accumulate);
}

/** Adds dCᵀ · A to the gradient of a trained block. */
function addGradient({ kernels }: Model, block: Block, rows: number, dC: Rows, a: Rows, gradients: Address): void {
  const to = gradients + block.offset * 4;
  kernels.multiplyTransposed(block.rows, block.columns, rows, dC.at, dC.stride, a.at, a.stride, to, block.columns);
}

function frozenOperand(
  { map, layout, scratch }: Model,
  { at, rows, columns }: FrozenMatrix,
): { at: Address; outputs: number; inputs: number; isHalf: boolean; unpacked: Address } {
  const isHalf = layout.frozen!.type === 'bfloat16';
  return { at: map.frozen + at, outputs: rows, inputs: columns, isHalf, unpacked: scratch!.unpacked };
}

/** Calls `work` for at most `adapterRows` rows of `a` and `c` at a time. */
function eachPiece(
  rows: number,
  a: Rows,
  c: Rows,
  work: (count: number, a: Rows, c: Rows, first: number) => void,
): void {
  for (let first = 0; first < rows; first += adapterRows)
    work(Math.min(adapterRows, rows - first), skipRows(a, first), skipRows(c, first), first);
}

function skipRows({ at, stride }: Rows, rows: number): Rows {
  return { at: at + rows * stride * 4, stride };
}

/** Returns the columns of one part in the adapter's inner rows. */
function partOf({ at, stride }: Rows, { width }: Adapter, part: number): Rows {
  return { at: at + part * width * 4, stride };
}

/** Returns the columns of one part among the outputs of a frozen matrix. */
function outputsOf({ at, stride }: Rows, { parts }: FrozenMatrix, part: number): Rows {
  return { at: at + parts[part]!.row * 4, stride };
}
