/** Trains on a worker thread: runs samples in chunks, and does this thread's share of the optimizer. */
import type { Loss } from '@agent-lightning/core';
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import type { Model } from '../model/layer-forward.ts';
import { roundUp, type Block } from '../model/weights.ts';
import type { FlatSamples } from './flat-samples.ts';
import { tokenLoss } from './token-loss.ts';
import { chunksOf } from './token-tree.ts';
import { TrainingPass } from './training-pass.ts';

/** A job that computes log-probabilities of samples under the weights at `forward`; with a loss, also its gradient, added to this thread's. */
export interface TrainJob {
  readonly kind: 'train';
  readonly samples: FlatSamples;
  readonly forward: Address;
  readonly loss?: Loss;
  /** Bytes of working memory up to which a pass keeps all activations. */
  readonly budget: number;
}

/** AdamW's numbers for one step, as the kernel takes them. */
export interface AdamNumbers {
  readonly gradientScale: number;
  readonly decay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly stepSize: number;
  readonly rootCorrection: number;
  readonly epsilon: number;
}

/** The result of a job that trains: `logprobs` as the samples' tokens, the rest summed over trained tokens. */
export interface TrainedSamples {
  readonly logprobs: Float32Array;
  readonly loss: number;
  readonly entropy: number;
  readonly trainedTokens: number;
}

/** Σ g² of the gradient of each block that a thread summed, by the block's index. */
export interface ReducedGradient {
  readonly squares: ReadonlyMap<number, number>;
}

/** Trains on one worker thread: computes gradients of samples, and updates this thread's share of the parameters. */
export class TrainingWorker {
  readonly #model: Model;
  readonly #thread: number;
  readonly #pass: TrainingPass;
  /** Indices of the blocks that this thread reduces and updates. */
  readonly #owned: readonly number[];

  /** @param makeRoom frees what the thread keeps only for speed, and tells whether there was any */
  constructor(
    model: Model,
    heap: SharedHeap,
    { thread, threads, makeRoom }: { readonly thread: number; readonly threads: number; makeRoom: () => boolean },
  ) {
    this.#model = model;
    this.#thread = thread;
    this.#pass = new TrainingPass(model, heap, makeRoom);
    this.#owned = distributeBlocks(model.layout.blocks, threads)[thread]!;
  }

  /** Runs the samples chunk by chunk, yielding between chunks so that sampling goes on. */
  *train({ samples, forward, loss, budget }: TrainJob): Generator<void, TrainedSamples> {
    const logprobs = new Float32Array(samples.tokens.length);
    const total = { loss: 0, entropy: 0, trainedTokens: 0 };
    const gradients = this.#model.map.gradients[this.#thread];
    try {
      for (const chunk of chunksOf(samples)) {
        const slopeOf = (i: number, now: number): number => {
          const entry = chunk.entries[i]!;
          const { value, slope } = tokenLoss(loss!, now, samples.logprobs[entry]!, samples.advantages[entry]!);
          total.loss += value;
          return slope;
        };
        const scores = this.#pass.run(chunk, forward, budget, loss && { slopeOf, gradients: gradients! });
        for (const [i, entry] of chunk.entries.entries()) {
          logprobs[entry] = scores.logprobs[i]!;
          total.entropy += scores.entropies[i]!;
        }
        total.trainedTokens += chunk.entries.length;
        yield;
      }
    } finally {
      this.#pass.release();
    }
    return { logprobs, ...total };
  }

  /** Sums the threads' gradients, in their order, into the first; Σ g² per owned block. */
  reduce(): ReducedGradient {
    const { kernels, layout, map } = this.#model;
    const squares = new Map<number, number>();
    for (const index of this.#owned) {
      const block = layout.blocks[index]!;
      const floats = roundUp(block.rows * block.columns, 8);
      const [first, ...others] = map.gradients.map((region) => region + block.offset * 4);
      for (const other of others) {
        kernels.addInto(floats, other, first!);
        kernels.clearFloats(floats, other);
      }
      squares.set(index, kernels.sumSquares(floats, first!));
    }
    return { squares };
  }

  step(numbers: AdamNumbers): void {
    const { kernels, layout, map } = this.#model;
    for (const index of this.#owned) {
      const block = layout.blocks[index]!;
      const at = block.offset * 4;
      kernels.adamStep(
        roundUp(block.rows * block.columns, 8),
        map.weights + at,
        map.gradients[0]! + at,
        map.moments1 + at,
        map.moments2 + at,
        numbers.gradientScale,
        numbers.decay,
        numbers.beta1,
        numbers.beta2,
        numbers.stepSize,
        numbers.rootCorrection,
        numbers.epsilon,
      );
    }
    this.pack();
  }

  clear(): void {
    const { kernels, layout, map } = this.#model;
    for (const index of this.#owned) {
      const block = layout.blocks[index]!;
      for (const region of map.gradients)
        kernels.clearFloats(roundUp(block.rows * block.columns, 8), region + block.offset * 4);
    }
  }

  /** Copies owned blocks from the plain arrangement into those of the forward and the backward pass. */
  pack(): void {
    const { kernels, layout, map } = this.#model;
    for (const index of this.#owned) {
      const block = layout.blocks[index]!;
      const plain = map.weights + block.offset * 4;
      const forward = map.forward + block.forward * 4;
      if (block.kind === 'linear') kernels.packTransposed(block.rows, block.columns, plain, block.columns, forward);
      else kernels.copyFloats(block.rows * block.columns, plain, forward);
      if (block.forwardHead !== undefined)
        kernels.packTransposed(block.rows, block.columns, plain, block.columns, map.forward + block.forwardHead * 4);
      if (block.backward !== undefined)
        kernels.packPanels(block.rows, block.columns, plain, block.columns, map.backward + block.backward * 4);
    }
  }
}

/** Returns the indices of the blocks that each thread owns. The largest block goes first, to the thread with the least; every thread computes the same. */
export function distributeBlocks(blocks: readonly Block[], threads: number): number[][] {
  const shares = Array.from({ length: threads }, () => ({ indices: [] as number[], floats: 0 }));
  const size = (index: number): number => blocks[index]!.rows * blocks[index]!.columns;
  const order = blocks.map((_, index) => index).sort((a, b) => size(b) - size(a) || a - b);
  for (const index of order) {
    const share = shares.reduce((least, next) => (next.floats < least.floats ? next : least));
    share.indices.push(index);
    share.floats += size(index);
  }
  return shares.map((share) => share.indices);
}
