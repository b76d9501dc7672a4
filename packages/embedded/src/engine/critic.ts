/** Holds the critic's head of a policy, w and b of V = b + w·h / H, with a gradient and AdamW's state of its own. */
import { BackendError, type AdamParameters } from '@agent-lightning/core';

/** The critic's head and its optimizer's state; arrays have the shape (H + 1,): w, then b. */
export interface CriticState {
  readonly weights: Float32Array;
  readonly moments1: Float32Array;
  readonly moments2: Float32Array;
  /** Steps that the head has taken. */
  readonly step: number;
}

/** A critic's head. It is small enough to be kept and updated here; threads get it with each pass. */
export class Critic {
  readonly #size: number;
  readonly #gradient: Float64Array;
  #hasGradient = false;
  #state: CriticState;

  constructor(hiddenSize: number) {
    this.#size = hiddenSize + 1;
    this.#gradient = new Float64Array(this.#size);
    this.#state = this.#initial();
  }

  /** The head as it is now, shape (H + 1,). */
  get weights(): Float32Array {
    return this.#state.weights;
  }

  /** L2 norm of the accumulated gradient. */
  get gradientNorm(): number {
    return Math.sqrt(this.#gradient.reduce((sum, value) => sum + value * value, 0));
  }

  /** Adds to the accumulated gradient. */
  addGradient(gradient: Float64Array): void {
    gradient.forEach((value, index) => (this.#gradient[index]! += value));
    this.#hasGradient = true;
  }

  clearGradient(): void {
    this.#gradient.fill(0);
    this.#hasGradient = false;
  }

  /** Takes one AdamW step and clears the gradient; where there is none, it does nothing. */
  step(adam: Required<AdamParameters>): void {
    if (!this.#hasGradient) return;
    const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm } = adam;
    const scale = maxGradientNorm > 0 ? Math.min(1, maxGradientNorm / (this.gradientNorm + 1e-6)) : 1;
    const step = this.#state.step + 1;
    const gradient = this.#gradient.map((value) => value * scale);
    const moments1 = this.#state.moments1.map((moment, i) => beta1 * moment + (1 - beta1) * gradient[i]!);
    const moments2 = this.#state.moments2.map((moment, i) => beta2 * moment + (1 - beta2) * gradient[i]! ** 2);
    const stepSize = learningRate / (1 - beta1 ** step);
    const rootCorrection = Math.sqrt(1 - beta2 ** step);
    const weights = this.#state.weights.map(
      (weight, i) =>
        weight * (1 - learningRate * weightDecay) -
        (stepSize * moments1[i]!) / (Math.sqrt(moments2[i]!) / rootCorrection + epsilon),
    );
    this.#state = { weights, moments1, moments2, step };
    this.clearGradient();
  }

  /** Returns what training continues from; undefined where the head was never trained. */
  save(): CriticState | undefined {
    return this.#state.step === 0 ? undefined : this.#state;
  }

  /** Continues from a state, or from the start where there is none, and drops the gradient. @throws {BackendError} `checkpoint-corrupt` */
  load(state: CriticState | undefined): void {
    for (const name of ['weights', 'moments1', 'moments2'] as const)
      if (state !== undefined && state[name].length !== this.#size)
        throw new BackendError(`The critic's ${name} have ${state[name].length} numbers; this model's ${this.#size}.`, {
          code: 'checkpoint-corrupt',
        });
    this.#state = state ?? this.#initial();
    this.clearGradient();
  }

  #initial(): CriticState {
    const zeros = (): Float32Array => new Float32Array(this.#size);
    return { weights: zeros(), moments1: zeros(), moments2: zeros(), step: 0 };
  }
}
