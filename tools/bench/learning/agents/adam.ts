const settings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, maxGradientNorm: 1 } as const;

/** Updates parameters as every backend does by default: Adam with β 0.9 and 0.95, of a gradient whose norm is at most 1. */
export class Adam {
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #steps = 0;

  constructor(size: number) {
    this.#first = new Float64Array(size);
    this.#second = new Float64Array(size);
  }

  /** Takes one step against the gradient; the parameters are changed. Returns the norm of the gradient as it was given. */
  step(parameters: Float64Array, gradient: Float64Array, learningRate: number): number {
    const [first, second] = [this.#first, this.#second];
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    const scale = norm > settings.maxGradientNorm ? settings.maxGradientNorm / norm : 1;
    this.#steps += 1;
    const ofFirst = 1 - settings.beta1 ** this.#steps;
    const ofSecond = 1 - settings.beta2 ** this.#steps;
    for (let index = 0; index < gradient.length; index += 1) {
      const value = gradient[index]! * scale;
      first[index] = settings.beta1 * first[index]! + (1 - settings.beta1) * value;
      second[index] = settings.beta2 * second[index]! + (1 - settings.beta2) * value * value;
      const deviation = Math.sqrt(second[index]! / ofSecond) + settings.epsilon;
      parameters[index]! -= (learningRate * first[index]!) / (ofFirst * deviation);
    }
    return norm;
  }
}
