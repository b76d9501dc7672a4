/** Tracks the gradient that a server holds for a policy: which passes made it, and whether a step may be taken on it. */

/** A pass that was made, and whose gradient may wait for a step. */
export interface PendingPass {
  /** The number of requests that it is made of. */
  readonly requests: number;
  /** Resolves when the pass has ended; never rejects. */
  readonly ended: Promise<unknown>;
}

export class PendingGradient {
  /** The passes in the order in which the server took them. */
  readonly #passes = new Set<PendingPass>();
  /** The passes on whose gradient a step is being sent, or was. */
  readonly #stepped = new WeakSet<PendingPass>();
  readonly #dropsFailed: boolean;
  #isBad = false;

  /** @param dropsFailed whether the server drops the gradient when a request of a pass fails */
  constructor(dropsFailed: boolean) {
    this.#dropsFailed = dropsFailed;
  }

  get isEmpty(): boolean {
    return this.#passes.size === 0;
  }

  /** Tells whether the server holds a gradient that no step may take: of a pass of which a part failed, or that is not finite. */
  get isBad(): boolean {
    return this.#isBad;
  }

  /** Notes that the server took a request of a pass. */
  add(pass: PendingPass): void {
    this.#passes.add(pass);
  }

  /** Notes that a pass failed. @returns whether a step on what it left was sent already */
  fail(pass: PendingPass): boolean {
    // A request that failed left nothing where the server undoes it; beside it, others of the pass took effect.
    const isClean = pass.requests === 1 && this.#dropsFailed;
    if (isClean) this.#forgetUpTo(pass);
    else if (this.#passes.has(pass)) this.#isBad = true;
    return !isClean && this.#stepped.has(pass);
  }

  /**
   * Waits, before a step, until the gradient is whole: of several requests some may fail, and the step would be taken on the rest.
   * A gradient of one request is there or not, so its step is sent right behind it.
   */
  async untilWhole(): Promise<void> {
    const passes = [...this.#passes];
    if (passes.reduce((sum, { requests }) => sum + requests, 0) > 1)
      await Promise.all(passes.map(({ ended }) => ended));
  }

  /** Sends a step, which takes the gradient unless it is refused. */
  async take<Step>(send: () => Promise<Step>): Promise<Step> {
    const passes = [...this.#passes];
    for (const pass of passes) this.#stepped.add(pass);
    try {
      const step = await send();
      this.clear();
      return step;
    } catch (error) {
      for (const pass of passes) this.#stepped.delete(pass);
      throw error;
    }
  }

  /** Notes that the server holds no gradient any more. */
  clear(): void {
    this.#passes.clear();
    this.#isBad = false;
  }

  /** Forgets a pass that the server dropped, and those before it. */
  #forgetUpTo(pass: PendingPass): void {
    if (!this.#passes.has(pass)) return;
    for (const each of this.#passes) {
      this.#passes.delete(each);
      if (each === pass) return;
    }
  }
}
