import type { Loss, TrainingSample } from '@agent-lightning/core';
import { Adam } from './adam.ts';
import { lossOfReply, readSample, type ReplyPolicy } from './reply-policy.ts';

const hiddenSize = 32;

/** A prompt as the network reads it. */
interface Reading {
  readonly prompt: Int32Array;
  readonly hidden: Float64Array;
  readonly probabilities: Float64Array;
  /** The loss's derivative by each logit, summed over the samples since the newest step. */
  readonly ofLogits: Float64Array;
}

/**
 * A language model of replies of one token: the sum of the embeddings of the prompt's tokens, one hidden layer of tanh, and a logit for each reply. All
 * calls share its parameters, as the calls of an agent share a model.
 */
export class TokenNetwork implements ReplyPolicy {
  readonly #replies: number;
  /** Embeddings, shape (vocabulary, hidden); then for each reply the weights of the hidden layer and a bias, shape (replies, hidden + 1). */
  readonly #parameters: Float64Array;
  readonly #gradient: Float64Array;
  readonly #adam: Adam;
  /** Where the output layer begins. */
  readonly #output: number;
  readonly #vocabulary: number;
  /** What the present parameters make of each prompt that was seen. */
  readonly #readings = new Map<number, Reading>();

  /** @param random uniform in [0, 1); the first replies are almost equally likely */
  constructor(vocabulary: number, replies: number, random: () => number) {
    this.#vocabulary = vocabulary;
    this.#replies = replies;
    this.#output = vocabulary * hiddenSize;
    const size = this.#output + replies * (hiddenSize + 1);
    this.#parameters = Float64Array.from(
      { length: size },
      (_, index) => (2 * random() - 1) * (index < this.#output ? 1 : 0.1),
    );
    this.#gradient = new Float64Array(size);
    this.#adam = new Adam(size);
  }

  probabilities(prompt: Int32Array): Float64Array {
    return this.#read(prompt).probabilities;
  }

  addGradient(samples: readonly TrainingSample[], loss: Loss): number {
    let total = 0;
    for (const sample of samples) {
      const { prompt, reply } = readSample(sample);
      const { probabilities, ofLogits } = this.#read(prompt);
      const { value, slope } = lossOfReply(sample, probabilities[reply]!, loss);
      total += value;
      for (let other = 0; other < this.#replies; other += 1)
        ofLogits[other]! += slope * ((other === reply ? 1 : 0) - probabilities[other]!);
    }
    return total;
  }

  optimStep(learningRate: number): number {
    this.#gradient.fill(0);
    for (const reading of this.#readings.values()) this.#propagate(reading);
    this.#readings.clear();
    return this.#adam.step(this.#parameters, this.#gradient, learningRate);
  }

  #read(prompt: Int32Array): Reading {
    let key = 0;
    for (const token of prompt) key = key * this.#vocabulary + token + 1;
    const known = this.#readings.get(key);
    if (known !== undefined) return known;
    const parameters = this.#parameters;
    const hidden = new Float64Array(hiddenSize);
    for (const token of prompt)
      for (let h = 0, at = token * hiddenSize; h < hiddenSize; h += 1, at += 1) hidden[h]! += parameters[at]!;
    for (let h = 0; h < hiddenSize; h += 1) hidden[h] = Math.tanh(hidden[h]!);
    const probabilities = new Float64Array(this.#replies);
    let total = 0;
    for (let reply = 0, at = this.#output; reply < this.#replies; reply += 1, at += 1) {
      let logit = 0;
      for (let h = 0; h < hiddenSize; h += 1, at += 1) logit += hidden[h]! * parameters[at]!;
      probabilities[reply] = Math.exp(logit + parameters[at]!);
      total += probabilities[reply]!;
    }
    for (let reply = 0; reply < this.#replies; reply += 1) probabilities[reply]! /= total;
    const reading = { prompt: prompt.slice(), hidden, probabilities, ofLogits: new Float64Array(this.#replies) };
    this.#readings.set(key, reading);
    return reading;
  }

  #propagate({ prompt, hidden, ofLogits }: Reading): void {
    const [parameters, gradient] = [this.#parameters, this.#gradient];
    const ofHidden = new Float64Array(hiddenSize);
    for (let reply = 0, at = this.#output; reply < this.#replies; reply += 1, at += 1) {
      const ofLogit = ofLogits[reply]!;
      for (let h = 0; h < hiddenSize; h += 1, at += 1) {
        gradient[at]! += ofLogit * hidden[h]!;
        ofHidden[h]! += ofLogit * parameters[at]!;
      }
      gradient[at]! += ofLogit;
    }
    for (let h = 0; h < hiddenSize; h += 1) ofHidden[h]! *= 1 - hidden[h]! ** 2;
    for (const token of prompt)
      for (let h = 0, at = token * hiddenSize; h < hiddenSize; h += 1, at += 1) gradient[at]! += ofHidden[h]!;
  }
}
