import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BackendError,
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
  seededRandom,
} from '@agent-lightning/core';

/** Tokens of the model: the letters a to z, and the rest as one. */
const vocabularySize = 27;

/** What a test may look at or break. */
export interface BigramBackendOptions {
  readonly losses?: readonly Loss['name'][];
  readonly maxSampleTokens?: number;
  readonly fixedAdam?: BackendCapabilities['fixedAdam'];
  /** False for an engine whose replies have no tokens: a plain upstream. */
  readonly lossOf?: (step: number, loss: number) => number;
  readonly gradientNormOf?: (step: number, norm: number) => number;
  readonly onSave?: () => void;
  readonly onLoad?: () => Promise<void>;
  /** Added to each log-probability that the sampler reports: a sampler that does not compute what the trainer does. */
  readonly reportedShift?: number;
  /** False for one that scores at temperature 1, whatever a sample says. @default true */
  readonly hasTemperature?: boolean;
  readonly scoresUpdates?: boolean;
  readonly trainedWeights?: 'all' | 'adapter';
  /** Multiplies every learning rate: a learner that goes much too far at once. @default 1 */
  readonly learningRateScale?: number;
  /** Whether it serves its base model. @default false */
  readonly hasBase?: boolean;
  /** Told of each call of a policy as it is made. Returns what the call waits for before it answers. */
  readonly onCall?: (name: 'forward' | 'forwardBackward' | 'optimStep' | 'publish') => Promise<void> | void;
}

export interface RecordedPass {
  readonly rows: readonly TrainingSample[];
  readonly loss: Loss;
}

/**
 * A real, tiny learner: logits for each next letter given the last one, trained by the contract's losses and plain
 * gradient descent with momentum left out. Answers are one letter long.
 */
export class BigramBackend implements TrainingBackend {
  readonly name: string = 'bigram';
  readonly passes: RecordedPass[] = [];
  readonly adamSteps: AdamParameters[] = [];
  readonly specs: Parameters<TrainingBackend['createPolicy']>[0][] = [];
  readonly published: number[] = [];
  readonly options: BigramBackendOptions;
  basePasses = 0;
  /** The newest. */
  policy: BigramPolicy | undefined;
  readonly policies = new Map<string, BigramPolicy>();

  constructor(options: BigramBackendOptions = {}) {
    this.options = options;
  }

  async capabilities(): Promise<BackendCapabilities> {
    return {
      losses: this.options.losses ?? ['importance_sampling', 'ppo', 'cispo'],
      dualClip: true,
      maxSampleTokens: this.options.maxSampleTokens ?? 4_096,
      snapshot: 'engine',
      hasTemperature: this.options.hasTemperature ?? true,
      scoresUpdates: this.options.scoresUpdates ?? true,
      trainedWeights: this.options.trainedWeights ?? 'all',
      ...(this.options.fixedAdam === undefined ? {} : { fixedAdam: this.options.fixedAdam }),
      description: 'a table of letter pairs',
    };
  }

  async createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    this.specs.push(spec);
    this.policy = new BigramPolicy(this, spec.name);
    this.policies.set(spec.name, this.policy);
    return this.policy;
  }

  async baseSnapshot(): Promise<PolicySnapshot | undefined> {
    if (this.options.hasBase !== true) return undefined;
    return { kind: 'engine', version: 0, engine: new BigramEngine(new BigramPolicy(this, 'base').logits) };
  }

  async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    return [...tokens].map(letterOf);
  }

  async close(): Promise<void> {}
}

export class BigramPolicy implements TrainablePolicy {
  readonly name: string;
  readonly #backend: BigramBackend;
  logits: Float64Array = new Float64Array(vocabularySize * vocabularySize);
  #gradient: Float64Array = new Float64Array(vocabularySize * vocabularySize);
  #steps = 0;

  constructor(backend: BigramBackend, name: string) {
    this.#backend = backend;
    this.name = name;
  }

  async forward(rows: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    this.#backend.options.onCall?.('forward');
    return rows.map((row) => logprobsOf(this.logits, row));
  }

  async forwardBase(rows: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    this.#backend.basePasses += 1;
    return rows.map((row) => logprobsOf(new Float64Array(this.logits.length), row));
  }

  async forwardBackward(
    rows: readonly TrainingSample[],
    loss: Loss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    this.#backend.passes.push({ rows, loss });
    const answer = this.#backend.options.onCall?.('forwardBackward');
    const logprobs = rows.map((row) => logprobsOf(this.logits, row));
    let sum = 0;
    let trainedTokens = 0;
    rows.forEach((row, index) => {
      for (let t = 1; t < row.tokens.length; t++) {
        if (row.lossMask[t] === 0) continue;
        trainedTokens += 1;
        const lp = logprobs[index]![t]!;
        const { value, derivative } = tokenLoss(loss, lp, row.logprobs[t]!, row.advantages[t]!);
        sum += value;
        this.#addGradient(row.tokens[t - 1]!, row.tokens[t]!, derivative, row.temperature ?? 1);
      }
    });
    const shown = this.#backend.options.lossOf?.(this.#steps + 1, sum) ?? sum;
    await answer;
    return { logprobs, loss: shown, trainedTokens, entropy: 1 };
  }

  async optimStep(adam: AdamParameters): Promise<Awaited<ReturnType<TrainablePolicy['optimStep']>>> {
    this.#backend.adamSteps.push(adam);
    this.#backend.options.onCall?.('optimStep');
    this.#steps += 1;
    const norm = Math.hypot(...this.#gradient);
    const limit = adam.maxGradientNorm ?? 0;
    const scale = limit > 0 && norm > limit ? limit / norm : 1;
    this.#gradient.forEach((value, index) => {
      this.logits[index]! -= adam.learningRate * (this.#backend.options.learningRateScale ?? 1) * scale * value;
    });
    this.#gradient.fill(0);
    return { gradientNorm: this.#backend.options.gradientNormOf?.(this.#steps, norm) ?? norm, step: this.#steps };
  }

  async publish(version: number): Promise<PolicySnapshot> {
    this.#backend.published.push(version);
    this.#backend.options.onCall?.('publish');
    return {
      kind: 'engine',
      version,
      engine: new BigramEngine(this.logits.slice(), this.#backend.options.reportedShift),
    };
  }

  async saveState(directory: string): Promise<void> {
    this.#backend.options.onSave?.();
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'state.json'), JSON.stringify({ logits: [...this.logits], steps: this.#steps }));
  }

  async loadState(directory: string): Promise<void> {
    await this.#backend.options.onLoad?.();
    const state = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8')) as {
      logits: number[];
      steps: number;
    };
    this.logits = Float64Array.from(state.logits);
    this.#steps = state.steps;
  }

  async exportModel(directory: string): Promise<void> {
    await this.saveState(directory);
  }

  #addGradient(previous: number, token: number, derivative: number, temperature: number): void {
    const probabilities = softmax(this.logits, previous, temperature);
    for (let next = 0; next < vocabularySize; next++) {
      this.#gradient[previous * vocabularySize + next]! +=
        (derivative * ((next === token ? 1 : 0) - probabilities[next]!)) / temperature;
    }
  }
}

class BigramEngine implements SamplingEngine {
  readonly contextLength: number = 4_096;
  readonly #logits: Float64Array;

  readonly #shift: number;

  constructor(logits: Float64Array, shift = 0) {
    this.#logits = logits;
    this.#shift = shift;
  }

  async *generate(request: GenerateRequest): AsyncIterable<GenerateEvent> {
    const prompt = promptOf(request);
    yield { type: 'prompt', tokens: prompt };
    const random = seededRandom(request.seed ?? 0, 'sample');
    const temperature = request.temperature ?? 1;
    for (let choice = 0; choice < (request.choices ?? 1); choice++) {
      const probabilities = softmax(this.#logits, prompt.at(-1)!, temperature);
      const token =
        temperature === 0 ? probabilities.indexOf(Math.max(...probabilities)) : draw(probabilities, random());
      yield {
        type: 'piece',
        choice,
        text: letterOf(token),
        tokens: Int32Array.of(token),
        logprobs: Float32Array.of(Math.log(probabilities[token]!) + this.#shift),
      };
      yield { type: 'finish', choice, reason: 'stop' };
    }
  }
}

function promptOf({ input }: GenerateRequest): Int32Array {
  if ('messages' in input) {
    const text = input.messages.map((message) => String(message.content ?? '')).join(' ');
    return Int32Array.from(text, (character) => tokenOf(character));
  }
  if (typeof input.prompt === 'string') return Int32Array.from(input.prompt, (character) => tokenOf(character));
  if (input.prompt.length === 0) throw new BackendError('an empty prompt', { code: 'samples-invalid' });
  return input.prompt;
}

function tokenOf(character: string): number {
  const index = character.charCodeAt(0) - 97;
  return index >= 0 && index < 26 ? index : 26;
}

function letterOf(token: number): string {
  return token < 26 ? String.fromCharCode(97 + token) : '_';
}

function logprobsOf(logits: Float64Array, row: TrainingSample): Float32Array {
  return Float32Array.from(row.tokens, (token, t) =>
    row.lossMask[t] === 0 || t === 0 ? 0 : Math.log(softmax(logits, row.tokens[t - 1]!, row.temperature ?? 1)[token]!),
  );
}

function softmax(logits: Float64Array, previous: number, temperature: number): number[] {
  const row = [...logits.subarray(previous * vocabularySize, (previous + 1) * vocabularySize)].map(
    (value) => value / (temperature || 1),
  );
  const max = Math.max(...row);
  const exponentials = row.map((value) => Math.exp(value - max));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function draw(probabilities: readonly number[], uniform: number): number {
  let rest = uniform;
  for (const [token, probability] of probabilities.entries()) {
    rest -= probability;
    if (rest < 0) return token;
  }
  return probabilities.length - 1;
}

function tokenLoss(
  loss: Loss,
  lp: number,
  q: number,
  advantage: number,
): { readonly value: number; readonly derivative: number } {
  const ratio = Math.exp(lp - q);
  if (loss.name === 'cross_entropy') return { value: -advantage * lp, derivative: -advantage };
  if (loss.name === 'importance_sampling') return { value: -ratio * advantage, derivative: -ratio * advantage };
  const clipped = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh);
  if (loss.name === 'cispo') return { value: -clipped * lp * advantage, derivative: -clipped * advantage };
  const { dualClip = Infinity } = loss;
  if (advantage < 0 && ratio > dualClip) return { value: -dualClip * advantage, derivative: 0 };
  const isClipped = clipped * advantage < ratio * advantage;
  return { value: -Math.min(ratio * advantage, clipped * advantage), derivative: isClipped ? 0 : -ratio * advantage };
}
