/** Reserves the working memory of a thread for frozen matrices and their adapters. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { adapterRows } from './linear.ts';
import type { ParameterLayout } from './parameter-layout.ts';
import { roundUp } from './weights.ts';

/** What the kernels unpack at once, see `assembly/frozen.ts`: 16 columns of at most as many rows going back; of all rows going forward. */
const unpackedColumns = 16;
const unpackedRows = 2048;

/** The addresses of a thread's working memory for frozen matrices. */
export interface FrozenScratch {
  /** Some columns of a frozen matrix in float32. */
  readonly unpacked: Address;
  /** The inner activations of an adapter, and their gradient, (adapterRows, width). */
  readonly inner: Address;
  readonly dInner: Address;
}

/** Returns the bytes of the working memory's parts; 0 where all weights are trained. */
export function scratchBytes({ frozen, head }: ParameterLayout): { readonly unpacked: number; readonly inner: number } {
  if (!frozen || head.kind !== 'frozen-matrix') return { unpacked: 0, inner: 0 };
  const matrices = [...frozen.matrices, head]; // a tied head may have an adapter that the embedding has not
  const longest = Math.max(unpackedRows, ...matrices.map(({ columns }) => columns));
  const widest = Math.max(...matrices.map(({ adapter }) => (adapter ? roundUp(adapter.down.rows, 8) : 0)));
  return { unpacked: longest * unpackedColumns * 4, inner: adapterRows * widest * 4 };
}

/** Takes the working memory from the heap; undefined where all weights are trained. */
export function reserveScratch(layout: ParameterLayout, heap: SharedHeap): FrozenScratch | undefined {
  if (!layout.frozen) return undefined;
  const { unpacked, inner } = scratchBytes(layout);
  return { unpacked: heap.allocate(unpacked), inner: heap.allocate(inner), dInner: heap.allocate(inner) };
}
