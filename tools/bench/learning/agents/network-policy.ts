import { lossAndDerivative, seededRandom, type BatchSample, type Loss } from '@agent-lightning/core';

export interface NetworkShape {
  readonly tasks: number;
  readonly nodes: number;
  readonly replies: number;
}

const hidden = 24;

/**
 * A policy as a small network, one hidden layer over one-hot task and node: its weights are shared by all calls, so that the noise of one call's gradient
 * reaches the others, as in a language model. It learns by the losses of core and by AdamW, as every backend does.
 */
export class NetworkPolicy {
  readonly #shape: NetworkShape;
  /** The columns of task and node, shape (tasks + nodes, hidden), then the rows of replies, shape (replies, hidden). */
  readonly #weights: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #steps = 0;

  constructor(shape: NetworkShape, seed: number) {
    this.#shape = shape;
    const random = seededRandom(seed, 'weights');
    const size = (shape.tasks + shape.nodes + shape.replies) * hidden;
    const inputs = (shape.tasks + shape.nodes) * hidden;
    this.#weights = Float64Array.from({ length: size }, (_, index) => (random() - 0.5) * (index < inputs ? 2 : 0.2));
    this.#first = new Float64Array(size);
    this.#second = new Float64Array(size);
  }

  /** Returns the probability of each reply in a state, which is task · nodes + node. */
  probabilities(state: number): Float64Array {
    return this.#forward(state).probabilities;
  }

  /** Takes one step on samples of one state and one reply each. */
  step(samples: readonly BatchSample[], loss: Loss, learningRate: number): void {
    const gradient = new Float64Array(this.#weights.length);
    for (const sample of samples) this.#addGradient(gradient, sample, loss);
    const scale = 1 / Math.max(1, Math.hypot(...gradient));
    this.#steps += 1;
    gradient.forEach((value, index) => this.#update(index, value * scale, learningRate));
  }

  #forward(state: number): { readonly activations: Float64Array; readonly probabilities: Float64Array } {
    const [task, node, output] = this.#offsets(state);
    const weights = this.#weights;
    const activations = Float64Array.from({ length: hidden }, (_, unit) =>
      Math.tanh(weights[task + unit]! + weights[node + unit]!),
    );
    const logits = Float64Array.from({ length: this.#shape.replies }, (_, reply) =>
      activations.reduce((sum, value, unit) => sum + value * weights[output + reply * hidden + unit]!, 0),
    );
    const largest = Math.max(...logits);
    const exponentials = logits.map((logit) => Math.exp(logit - largest));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return { activations, probabilities: exponentials.map((value) => value / total) };
  }

  #offsets(state: number): readonly [task: number, node: number, output: number] {
    const { tasks, nodes } = this.#shape;
    return [Math.floor(state / nodes) * hidden, (tasks + (state % nodes)) * hidden, (tasks + nodes) * hidden];
  }

  #addGradient(gradient: Float64Array, sample: BatchSample, loss: Loss): void {
    const [state, reply] = [sample.tokens[0]!, sample.tokens[1]!];
    const { activations, probabilities } = this.#forward(state);
    const slope = lossAndDerivative(sample, [0, Math.log(probabilities[reply]!)], loss).derivative[1]!;
    const [task, node, output] = this.#offsets(state);
    const back = new Float64Array(hidden);
    probabilities.forEach((probability, other) => {
      const ofLogit = slope * ((other === reply ? 1 : 0) - probability);
      for (let unit = 0; unit < hidden; unit += 1) {
        gradient[output + other * hidden + unit]! += ofLogit * activations[unit]!;
        back[unit]! += ofLogit * this.#weights[output + other * hidden + unit]!;
      }
    });
    for (let unit = 0; unit < hidden; unit += 1) {
      const value = back[unit]! * (1 - activations[unit]! ** 2);
      gradient[task + unit]! += value;
      gradient[node + unit]! += value;
    }
  }

  /** Updates one weight as AdamW does with β 0.9 and 0.95. */
  #update(index: number, gradient: number, learningRate: number): void {
    this.#first[index] = 0.9 * this.#first[index]! + 0.1 * gradient;
    this.#second[index] = 0.95 * this.#second[index]! + 0.05 * gradient ** 2;
    const first = this.#first[index]! / (1 - 0.9 ** this.#steps);
    const second = this.#second[index]! / (1 - 0.95 ** this.#steps);
    this.#weights[index]! -= (learningRate * first) / (Math.sqrt(second) + 1e-8);
  }
}
