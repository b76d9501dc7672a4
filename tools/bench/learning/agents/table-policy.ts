import type { Loss, TrainingSample } from '@agent-lightning/core';
import { Adam } from './adam.ts';
import { lossOfReply, readSample, type ReplyPolicy } from './reply-policy.ts';

/** A policy as a table: for each prompt the logits of its replies, so that no call learns from another. */
export class TablePolicy implements ReplyPolicy {
  readonly #replies: number;
  /** Where the row of each prompt begins. */
  readonly #rows = new Map<string, number>();
  readonly #logits: Float64Array;
  readonly #gradient: Float64Array;
  readonly #adam: Adam;

  /** @param prompts the number of prompts that there can be */
  constructor(prompts: number, replies: number) {
    this.#replies = replies;
    this.#logits = new Float64Array(prompts * replies);
    this.#gradient = new Float64Array(prompts * replies);
    this.#adam = new Adam(prompts * replies);
  }

  probabilities(prompt: Int32Array): Float64Array {
    return this.#probabilitiesOf(this.#rowOf(prompt));
  }

  addGradient(samples: readonly TrainingSample[], loss: Loss): number {
    let total = 0;
    for (const sample of samples) {
      const { prompt, reply } = readSample(sample);
      const row = this.#rowOf(prompt);
      const probabilities = this.#probabilitiesOf(row);
      const { value, slope } = lossOfReply(sample, probabilities[reply]!, loss);
      total += value;
      probabilities.forEach((probability, other) => {
        this.#gradient[row + other]! += slope * ((other === reply ? 1 : 0) - probability);
      });
    }
    return total;
  }

  optimStep(learningRate: number): number {
    const norm = this.#adam.step(this.#logits, this.#gradient, learningRate);
    this.#gradient.fill(0);
    return norm;
  }

  #probabilitiesOf(row: number): Float64Array {
    const exponentials = this.#logits.slice(row, row + this.#replies).map(Math.exp);
    const total = exponentials.reduce((all, value) => all + value, 0);
    return exponentials.map((value) => value / total);
  }

  #rowOf(prompt: Int32Array): number {
    const key = prompt.join();
    const row = this.#rows.get(key) ?? this.#rows.size * this.#replies;
    this.#rows.set(key, row);
    return row;
  }
}
