import { lossAndDerivative, type BatchSample, type Loss } from '@agent-lightning/core';

/** A policy as a table: for each state the logits of its replies. It learns by the losses of core and by Adam, as every backend does. */
export class TablePolicy {
  readonly #logits: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  readonly #replies: number;
  #steps = 0;

  constructor(states: number, replies: number) {
    this.#replies = replies;
    this.#logits = new Float64Array(states * replies);
    this.#first = new Float64Array(states * replies);
    this.#second = new Float64Array(states * replies);
  }

  /** Returns the probability of each reply. */
  probabilities(state: number): Float64Array {
    const own = this.#logits.subarray(state * this.#replies, (state + 1) * this.#replies);
    const exponentials = own.map((logit) => Math.exp(logit - Math.max(...own)));
    const total = exponentials.reduce((all, value) => all + value, 0);
    return exponentials.map((value) => value / total);
  }

  /** Takes one step on samples of one state and one reply each. */
  step(samples: readonly BatchSample[], loss: Loss, learningRate: number): void {
    const gradient = new Float64Array(this.#logits.length);
    for (const sample of samples) {
      const [state, reply] = [sample.tokens[0]!, sample.tokens[1]!];
      const probabilities = this.probabilities(state);
      const { derivative } = lossAndDerivative(sample, [0, Math.log(probabilities[reply]!)], loss);
      probabilities.forEach((probability, other) => {
        gradient[state * this.#replies + other]! += derivative[1]! * ((other === reply ? 1 : 0) - probability);
      });
    }
    const norm = Math.hypot(...gradient);
    this.#steps += 1;
    gradient.forEach((value, index) => this.#update(index, value / Math.max(1, norm), learningRate));
  }

  /** Updates one logit as Adam does with β 0.9 and 0.95. */
  #update(index: number, gradient: number, learningRate: number): void {
    this.#first[index] = 0.9 * this.#first[index]! + 0.1 * gradient;
    this.#second[index] = 0.95 * this.#second[index]! + 0.05 * gradient ** 2;
    const first = this.#first[index]! / (1 - 0.9 ** this.#steps);
    const second = this.#second[index]! / (1 - 0.95 ** this.#steps);
    this.#logits[index]! -= (learningRate * first) / (Math.sqrt(second) + 1e-8);
  }
}
