/** Collects what a critic computes over the chunks of a job: values, loss and the gradient of its head. */
import type { CriticPass } from './critic-head.ts';
import type { Chunk } from './token-tree.ts';
import type { CriticJob, CriticResults } from './training-worker.ts';

/** The work of a critic on one thread for one job. */
export class CriticWork {
  readonly #job: CriticJob;
  readonly #values: Float32Array;
  readonly #gradient: Float64Array;
  #loss = 0;

  /** @param tokens the number of tokens of the job's samples */
  constructor(job: CriticJob, tokens: number) {
    this.#job = job;
    this.#values = new Float32Array(tokens);
    this.#gradient = new Float64Array(job.head.length);
  }

  /** Returns the critic's part of the pass over a chunk. */
  passOf({ entries }: Chunk): CriticPass {
    const { head, loss } = this.#job;
    if (loss === undefined) return { head };
    const slopeOf = (i: number, value: number): number => {
      const entry = entries[i]!;
      const error = value - loss.targets[entry]!;
      this.#loss += 0.5 * loss.weights[entry]! * error ** 2;
      return loss.weights[entry]! * error;
    };
    return { head, learning: { slopeOf, trunkWeight: loss.trunkWeight, gradient: this.#gradient } };
  }

  /** Keeps the values of a chunk's predictions. */
  keep({ entries }: Chunk, values: Float32Array): void {
    entries.forEach((entry, i) => (this.#values[entry] = values[i]!));
  }

  get results(): CriticResults {
    return { values: this.#values, loss: this.#loss, gradient: this.#gradient };
  }
}
