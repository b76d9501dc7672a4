/** A real, tiny language model for a fake training server: logits for each next token after each token, and one row that all share. */
import {
  lossAndDerivative,
  seededRandom,
  type AdamParameters,
  type Loss,
  type TrainingSample,
} from '@agent-lightning/core';

/** What a saved state holds. */
export interface BigramState {
  /** Shape (V + 1, V). */
  readonly logits: Float64Array;
  readonly moments1: Float64Array;
  readonly moments2: Float64Array;
  readonly step: number;
}

export interface BigramSample {
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly stop_reason: 'stop' | 'length';
}

/**
 * A table (V + 1, V): the logits of the next token after token v are row v plus the last row, so that what one row learns
 * moves all. Trained in double precision by AdamW.
 */
export class BigramModel {
  readonly vocabularySize: number;
  #state: BigramState;
  readonly #gradient: Float64Array;
  /** By the token before; of the state as it is. */
  readonly #distributions = new Map<number, Float64Array>();

  constructor(vocabularySize: number, state: BigramState) {
    this.vocabularySize = vocabularySize;
    this.#state = state;
    this.#gradient = new Float64Array(state.logits.length);
  }

  get state(): BigramState {
    return this.#state;
  }

  set state(state: BigramState) {
    this.#state = state;
    this.#distributions.clear();
  }

  /** Shape (T − 1,): the log-probability of each token after the one before it. */
  logprobs(tokens: ArrayLike<number>, temperature: number = 1): number[] {
    return Array.from(
      { length: tokens.length - 1 },
      (_, i) => this.#distribution(tokens[i]!, temperature)[tokens[i + 1]!]!,
    );
  }

  /** Mean entropy × tokens, in nats, over the trained tokens of a sample. */
  entropy(sample: TrainingSample): number {
    let sum = 0;
    for (let t = 1; t < sample.tokens.length; t += 1) {
      if (sample.lossMask[t] === 0) continue;
      for (const logprob of this.#distribution(sample.tokens[t - 1]!, sample.temperature))
        sum -= Math.exp(logprob) * logprob;
    }
    return sum;
  }

  /** Adds the gradient of samples to what was accumulated; their loss. With `drops`, a loss that is not finite leaves none. */
  backwardAll(samples: readonly TrainingSample[], loss: Loss, drops: boolean): number {
    let sum = 0;
    for (const sample of samples) sum += this.#backward(sample, loss);
    if (Number.isFinite(Math.fround(sum))) return sum;
    if (drops) this.dropGradient();
    return Math.fround(sum); // real servers compute in float32
  }

  /** Adds a sample's gradient to what was accumulated; its loss. */
  #backward(sample: TrainingSample, loss: Loss): number {
    const { temperature = 1 } = sample;
    const logprobs = [0, ...this.logprobs(sample.tokens, temperature)];
    const { loss: value, derivative } = lossAndDerivative(sample, logprobs, loss);
    for (let t = 1; t < sample.tokens.length; t += 1) {
      const slope = derivative[t]! / temperature;
      if (slope === 0) continue;
      const offset = sample.tokens[t - 1]! * this.vocabularySize;
      const distribution = this.#distribution(sample.tokens[t - 1]!, temperature);
      const shared = this.vocabularySize ** 2;
      for (let next = 0; next < this.vocabularySize; next += 1) {
        const gradient = slope * ((next === sample.tokens[t] ? 1 : 0) - Math.exp(distribution[next]!));
        this.#gradient[offset + next]! += gradient;
        this.#gradient[shared + next]! += gradient;
      }
    }
    return value;
  }

  dropGradient(): void {
    this.#gradient.fill(0);
  }

  /** One AdamW step on the accumulated gradient, which it clears; the gradient's norm before clipping. */
  step(adam: Required<AdamParameters>): number {
    const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm } = adam;
    const norm = Math.sqrt(this.#gradient.reduce((sum, value) => sum + value * value, 0));
    const scale = maxGradientNorm > 0 && norm > maxGradientNorm ? maxGradientNorm / norm : 1;
    const step = this.state.step + 1;
    const [logits, moments1, moments2] = [
      this.state.logits.slice(),
      this.state.moments1.slice(),
      this.state.moments2.slice(),
    ];
    for (let i = 0; i < logits.length; i += 1) {
      const gradient = scale * this.#gradient[i]!;
      moments1[i] = beta1 * moments1[i]! + (1 - beta1) * gradient;
      moments2[i] = beta2 * moments2[i]! + (1 - beta2) * gradient * gradient;
      const first = moments1[i]! / (1 - beta1 ** step);
      const second = Math.sqrt(moments2[i]! / (1 - beta2 ** step));
      const update = first === 0 ? 0 : first / (second + epsilon);
      logits[i] = logits[i]! - learningRate * (weightDecay * logits[i]! + update);
    }
    this.state = { logits, moments1, moments2, step };
    this.dropGradient();
    return norm;
  }

  /** A continuation: the same seed gives the same tokens. */
  sample(
    prompt: readonly number[],
    options: {
      readonly seed: number;
      readonly temperature: number;
      readonly maxTokens: number;
      readonly stop: readonly number[];
    },
  ): BigramSample {
    const random = seededRandom(options.seed);
    const tokens: number[] = [];
    const logprobs: number[] = [];
    let previous = prompt.at(-1)!;
    while (tokens.length < options.maxTokens) {
      const distribution = this.#distribution(previous, options.temperature === 0 ? 1 : options.temperature);
      const token = options.temperature === 0 ? likeliest(distribution) : draw(distribution, random());
      tokens.push(token);
      logprobs.push(distribution[token]!);
      if (options.stop.includes(token)) return { tokens, logprobs, stop_reason: 'stop' };
      previous = token;
    }
    return { tokens, logprobs, stop_reason: 'length' };
  }

  /** Shape (V,): log-probabilities of the token after `previous`. */
  #distribution(previous: number, temperature: number = 1): Float64Array {
    const known = temperature === 1 ? this.#distributions.get(previous) : undefined;
    if (known !== undefined) return known;
    const offset = previous * this.vocabularySize;
    const shared = this.vocabularySize ** 2;
    const { logits } = this.#state;
    const row = new Float64Array(this.vocabularySize);
    for (let next = 0; next < row.length; next += 1)
      row[next] = (logits[offset + next]! + logits[shared + next]!) / temperature;
    const max = row.reduce((largest, value) => Math.max(largest, value), -Infinity);
    const logSum = max + Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0));
    const distribution = row.map((value) => value - logSum);
    if (temperature === 1) this.#distributions.set(previous, distribution);
    return distribution;
  }
}

/** A fresh model: logits of a normal distribution, the same for the same seed. */
export function freshState(vocabularySize: number, seed: number): BigramState {
  const random = seededRandom(seed);
  const size = (vocabularySize + 1) * vocabularySize;
  return {
    logits: Float64Array.from(
      { length: size },
      () => 1.2 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
    ),
    moments1: new Float64Array(size),
    moments2: new Float64Array(size),
    step: 0,
  };
}

function likeliest(distribution: Float64Array): number {
  return distribution.indexOf(distribution.reduce((largest, value) => Math.max(largest, value), -Infinity));
}

function draw(distribution: Float64Array, uniform: number): number {
  let rest = uniform;
  for (const [token, logprob] of distribution.entries()) {
    rest -= Math.exp(logprob);
    if (rest < 0) return token;
  }
  return distribution.length - 1;
}
