/**
 * A tiny model that learns in milliseconds: a table of logits for each next letter, given the letter before, or, for the first letter of
 * an answer, the last letter of the question. Trained by the losses of the contract and Adam.
 */
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
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The letters that answers are made of. */
export const letters = 'abcdefgh';
const size = letters.length;
const [end, userMark, assistantMark] = [size, size + 1, size + 2];
/** Next tokens: the letters and the end. States: the last letter of the question, or of the answer so far. */
const outcomes = size + 1;
const states = 2 * size;

/** The properties of the model that injectors change. */
export interface LetterModelOptions {
  /** Logit of the end of an answer after each of its letters, before training. @default 3.2, so that most answers have one letter */
  readonly endLogit?: number;
  /** Logit of the right first letter, before training. @default 0: every letter is as likely */
  readonly rightLogit?: number;
  /** The temperature of the distribution that the sampler draws from and the trainer knows nothing of. @default 1 */
  readonly hiddenTemperature?: number;
  /** True for a chat template that keeps only the last letter of earlier replies. @default false */
  readonly dropsThoughts?: boolean;
  /** True for a backend that trains other weights than it samples from: its gradient does not reach them. @default false */
  readonly isFrozen?: boolean;
}

/** Where the letter model learns. */
export class LetterBackend implements TrainingBackend {
  readonly name = 'letters';
  readonly #options: Required<LetterModelOptions>;

  constructor(options: LetterModelOptions = {}) {
    this.#options = {
      endLogit: 3.2,
      rightLogit: 0,
      hiddenTemperature: 1,
      dropsThoughts: false,
      isFrozen: false,
      ...options,
    };
  }

  async capabilities(): Promise<BackendCapabilities> {
    return {
      losses: ['importance_sampling', 'ppo', 'cispo'],
      dualClip: true,
      maxSampleTokens: 4_096,
      snapshot: 'engine',
      description: 'a table of letters',
    };
  }

  async createPolicy({ name }: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    return new LetterPolicy(name, this.#options);
  }

  async baseSnapshot(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}
}

class LetterPolicy implements TrainablePolicy {
  readonly name: string;
  readonly #options: Required<LetterModelOptions>;
  readonly #base: Float64Array;
  #logits: Float64Array;
  #gradient = new Float64Array(states * outcomes);
  #first = new Float64Array(states * outcomes);
  #second = new Float64Array(states * outcomes);
  #steps = 0;

  constructor(name: string, options: Required<LetterModelOptions>) {
    this.name = name;
    this.#options = options;
    this.#base = Float64Array.from({ length: states * outcomes }, (_, index) => {
      const [state, next] = [Math.floor(index / outcomes), index % outcomes];
      const isQuestion = state < size;
      if (next === end) return isQuestion ? -6 : options.endLogit; // nearly every answer has a letter
      return isQuestion && next === (state + 1) % size ? options.rightLogit : 0;
    });
    this.#logits = this.#base.slice();
  }

  async forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return samples.map((sample) => scoreSample(this.#logits, sample));
  }

  async forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return samples.map((sample) => scoreSample(this.#base, sample));
  }

  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    const logprobs = await this.forward(samples);
    let [total, trainedTokens, entropy] = [0, 0, 0];
    samples.forEach((sample, index) => {
      const { loss: own, derivative } = lossAndDerivative(sample, logprobs[index]!, loss);
      total += own;
      for (const [t, token] of sample.tokens.entries()) {
        if (sample.lossMask[t] === 0) continue;
        trainedTokens += 1;
        const state = findState(sample, t);
        const probabilities = softmax(this.#logits, state, 1);
        entropy -= probabilities.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
        if (!this.#options.isFrozen) this.#addGradient(state, token, derivative[t]!, probabilities);
      }
    });
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
      this.#logits[index]! -= (learningRate * mean) / (deviation + epsilon);
    }
    this.#gradient.fill(0);
    return { gradientNorm: norm, step: this.#steps };
  }

  async publish(version: number): Promise<PolicySnapshot> {
    return { kind: 'engine', version, engine: new LetterEngine(this.#logits.slice(), this.#options) };
  }

  async saveState(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true });
    const [logits, first, second] = [[...this.#logits], [...this.#first], [...this.#second]];
    await writeFile(join(directory, 'state.json'), JSON.stringify({ logits, first, second, steps: this.#steps }));
  }

  async loadState(directory: string): Promise<void> {
    const state = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8')) as Record<string, number[]> & {
      readonly steps: number;
    };
    this.#logits = Float64Array.from(state['logits']!);
    this.#first = Float64Array.from(state['first']!);
    this.#second = Float64Array.from(state['second']!);
    this.#steps = state.steps;
  }

  async exportModel(directory: string): Promise<void> {
    await this.saveState(directory);
  }

  #addGradient(state: number, token: number, derivative: number, probabilities: readonly number[]): void {
    for (let next = 0; next < outcomes; next += 1)
      this.#gradient[state * outcomes + next]! += derivative * ((next === token ? 1 : 0) - probabilities[next]!);
  }
}

class LetterEngine implements SamplingEngine {
  readonly contextLength = 4_096;
  readonly #logits: Float64Array;
  readonly #options: Required<LetterModelOptions>;

  constructor(logits: Float64Array, options: Required<LetterModelOptions>) {
    this.#logits = logits;
    this.#options = options;
  }

  async *generate({ input, seed = 0, temperature = 1, maxTokens = 64 }: GenerateRequest): AsyncIterable<GenerateEvent> {
    if (!('messages' in input)) throw new TypeError('the letter model answers chats only');
    const prompt = writePrompt(input.messages, this.#options.dropsThoughts);
    yield { type: 'prompt', tokens: Int32Array.from(prompt) };
    const random = seededRandom(seed, 'letters');
    let state = prompt.at(-3)!;
    for (let count = 0; count < maxTokens; count += 1) {
      const drawn = softmax(this.#logits, state, temperature * this.#options.hiddenTemperature);
      const token = temperature === 0 ? drawn.indexOf(Math.max(...drawn)) : draw(drawn, random());
      yield {
        type: 'piece',
        choice: 0,
        text: letters[token] ?? '',
        tokens: Int32Array.of(token),
        logprobs: Float32Array.of(Math.log(drawn[token]!)),
      };
      if (token === end) return yield { type: 'finish', choice: 0, reason: 'stop' };
      state = size + token;
    }
    yield { type: 'finish', choice: 0, reason: 'length' };
  }
}

type Messages = Extract<GenerateRequest['input'], { readonly messages: unknown }>['messages'];

/** Writes a chat as tokens: a mark, the letters and an end for each message, and a mark for the answer. */
function writePrompt(messages: Messages, dropsThoughts: boolean): readonly number[] {
  const written = messages.flatMap(({ role, content }) => {
    const text = [...String(content)].map((letter) => letters.indexOf(letter));
    if (role !== 'assistant') return [userMark, ...text, end];
    return [assistantMark, ...(dropsThoughts ? text.slice(-1) : text), end];
  });
  return [...written, assistantMark];
}

/** Returns the state in which the token at `t` was drawn. */
function findState({ tokens, lossMask }: TrainingSample, t: number): number {
  return lossMask[t - 1] === 0 ? tokens[t - 3]! : size + tokens[t - 1]!;
}

function scoreSample(logits: Float64Array, sample: TrainingSample): Float32Array {
  return Float32Array.from(sample.tokens, (token, t) =>
    sample.lossMask[t] === 0 ? 0 : Math.log(softmax(logits, findState(sample, t), 1)[token]!),
  );
}

function softmax(logits: Float64Array, state: number, temperature: number): readonly number[] {
  const row = [...logits.subarray(state * outcomes, (state + 1) * outcomes)].map((x) => x / (temperature || 1));
  const largest = Math.max(...row);
  const exponentials = row.map((x) => Math.exp(x - largest));
  const sum = exponentials.reduce((total, x) => total + x, 0);
  return exponentials.map((x) => x / sum);
}

function draw(probabilities: readonly number[], uniform: number): number {
  let rest = uniform;
  for (const [token, probability] of probabilities.entries()) {
    rest -= probability;
    if (rest < 0) return token;
  }
  return probabilities.length - 1;
}
