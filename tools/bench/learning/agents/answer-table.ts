/**
 * A small synthetic policy that learns in milliseconds: a table of logits, one for each pair of a question and an answer. A question is one
 * letter, and an answer is one letter. It is trained by the losses of the contract and Adam.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  lossAndDerivative,
  seededRandom,
  type AdamParameters,
  type BackendCapabilities,
  type GenerateEvent,
  type GenerateRequest,
  type Loss,
  type PolicySnapshot,
  type SamplingEngine,
  type TrainablePolicy,
  type TrainingBackend,
  type TrainingSample,
} from '@agent-lightning/core';

/** The letters of questions and of answers. */
export const letters = 'abcdefgh';
const size = letters.length;

/** A backend whose policies are answer tables; every answer is as likely at first. */
export class AnswerTable implements TrainingBackend {
  readonly name = 'answer-table';
  #policy: AnswerPolicy | undefined;

  async capabilities(): Promise<BackendCapabilities> {
    return {
      losses: ['importance_sampling', 'ppo', 'cispo'],
      dualClip: true,
      maxSampleTokens: 16,
      snapshot: 'engine',
      description: 'a table of answers',
    };
  }

  async createPolicy({ name }: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    this.#policy = new AnswerPolicy(name);
    return this.#policy;
  }

  async baseSnapshot(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}

  /** Returns the probability of each answer to a question, as the newest policy has it. */
  answerProbabilities(question: string): readonly number[] {
    return softmax(this.#policy!.logits, letters.indexOf(question), 1);
  }
}

class AnswerPolicy implements TrainablePolicy {
  readonly name: string;
  logits: Float64Array = new Float64Array(size * size);
  #gradient = new Float64Array(size * size);
  #first = new Float64Array(size * size);
  #second = new Float64Array(size * size);
  #steps = 0;

  constructor(name: string) {
    this.name = name;
  }

  async forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return samples.map((sample) => score(this.logits, sample));
  }

  async forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return samples.map((sample) => score(new Float64Array(size * size), sample));
  }

  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    const logprobs = await this.forward(samples);
    let [total, trainedTokens, entropy] = [0, 0, 0];
    for (const [index, sample] of samples.entries()) {
      const own = lossAndDerivative(sample, logprobs[index]!, loss);
      total += own.loss;
      for (const [t, answer] of sample.tokens.entries()) {
        if (sample.lossMask[t] === 0) continue;
        trainedTokens += 1;
        entropy += this.#addGradient(sample.tokens[t - 1]!, answer, own.derivative[t]!);
      }
    }
    return { logprobs, loss: total, trainedTokens, entropy: entropy / Math.max(trainedTokens, 1) };
  }

  async optimStep(adam: AdamParameters): Promise<Awaited<ReturnType<TrainablePolicy['optimStep']>>> {
    const { learningRate, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, maxGradientNorm = 0 } = adam;
    this.#steps += 1;
    const norm = Math.hypot(...this.#gradient);
    const scale = maxGradientNorm > 0 && norm > maxGradientNorm ? maxGradientNorm / norm : 1;
    for (const [index, raw] of this.#gradient.entries()) {
      const gradient = raw * scale;
      this.#first[index] = beta1 * this.#first[index]! + (1 - beta1) * gradient;
      this.#second[index] = beta2 * this.#second[index]! + (1 - beta2) * gradient ** 2;
      const mean = this.#first[index]! / (1 - beta1 ** this.#steps);
      const deviation = Math.sqrt(this.#second[index]! / (1 - beta2 ** this.#steps));
      this.logits[index]! -= (learningRate * mean) / (deviation + epsilon);
    }
    this.#gradient.fill(0);
    return { gradientNorm: norm, step: this.#steps };
  }

  async publish(version: number): Promise<PolicySnapshot> {
    return { kind: 'engine', version, engine: new AnswerEngine(this.logits.slice()) };
  }

  async saveState(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true });
    const state = { logits: [...this.logits], first: [...this.#first], second: [...this.#second], steps: this.#steps };
    await writeFile(join(directory, 'state.json'), JSON.stringify(state));
  }

  async loadState(directory: string): Promise<void> {
    const text = await readFile(join(directory, 'state.json'), 'utf8');
    const state = JSON.parse(text) as Record<'logits' | 'first' | 'second', number[]> & { readonly steps: number };
    this.logits = Float64Array.from(state.logits);
    this.#first = Float64Array.from(state.first);
    this.#second = Float64Array.from(state.second);
    this.#steps = state.steps;
  }

  async exportModel(directory: string): Promise<void> {
    await this.saveState(directory);
  }

  /** Adds the gradient of one answer, and returns the entropy of the answers to its question in nats. */
  #addGradient(question: number, answer: number, derivative: number): number {
    const probabilities = softmax(this.logits, question, 1);
    probabilities.forEach((probability, each) => {
      this.#gradient[question * size + each]! += derivative * ((each === answer ? 1 : 0) - probability);
    });
    return -probabilities.reduce((sum, probability) => sum + probability * Math.log(probability), 0);
  }
}

class AnswerEngine implements SamplingEngine {
  readonly contextLength = 16;
  readonly #logits: Float64Array;

  constructor(logits: Float64Array) {
    this.#logits = logits;
  }

  async *generate({ input, seed = 0, temperature = 1 }: GenerateRequest): AsyncIterable<GenerateEvent> {
    if (!('messages' in input)) throw new TypeError('an answer table answers chats only');
    const question = letters.indexOf(String(input.messages.at(-1)?.content));
    if (question < 0) throw new RangeError(`a question is one letter of ${letters}`);
    const probabilities = softmax(this.#logits, question, temperature);
    const answer =
      temperature === 0
        ? probabilities.indexOf(Math.max(...probabilities))
        : draw(probabilities, seededRandom(seed, 'answer')());
    yield { type: 'prompt', tokens: Int32Array.of(question) };
    yield {
      type: 'piece',
      choice: 0,
      text: letters[answer]!,
      tokens: Int32Array.of(answer),
      logprobs: Float32Array.of(Math.log(probabilities[answer]!)),
    };
    yield { type: 'finish', choice: 0, reason: 'stop' };
  }
}

function score(logits: Float64Array, { tokens, lossMask }: TrainingSample): Float32Array {
  return Float32Array.from(tokens, (answer, t) =>
    lossMask[t] === 0 ? 0 : Math.log(softmax(logits, tokens[t - 1]!, 1)[answer]!),
  );
}

function softmax(logits: Float64Array, question: number, temperature: number): readonly number[] {
  const row = [...logits.subarray(question * size, (question + 1) * size)].map((logit) => logit / (temperature || 1));
  const largest = Math.max(...row);
  const weights = row.map((logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function draw(probabilities: readonly number[], uniform: number): number {
  let rest = uniform;
  for (const [answer, probability] of probabilities.entries()) {
    rest -= probability;
    if (rest < 0) return answer;
  }
  return probabilities.length - 1;
}
