/** Keeps a frozen version of the weights as long as calls sample from it. */
import { BackendError } from '@agent-lightning/core';

import type { WeightsVersion } from '../engine/engine-types.ts';
import type { LlamaEngine } from '../engine/llama-engine.ts';

/** Counts the calls that use a snapshot, and frees it when it is retired and the last of them has ended. */
export class PublishedWeights {
  readonly engine: LlamaEngine;
  readonly weights: WeightsVersion;
  readonly #label: string;
  #calls = 0;
  #retired = false;

  /** @param label the name of the version in an error */
  constructor(engine: LlamaEngine, weights: WeightsVersion, label: string) {
    this.engine = engine;
    this.weights = weights;
    this.#label = label;
  }

  /** Notes that a call begins; pair with {@link release}. @throws {BackendError} `backend-closed` after {@link retire} */
  acquire(): void {
    if (this.#retired) {
      throw new BackendError(
        `${this.#label} was replaced by newer versions and its weights are gone; sample from the newest release.`,
        { code: 'backend-closed' },
      );
    }
    this.#calls += 1;
  }

  release(): void {
    this.#calls -= 1;
    this.#discardIfUnused();
  }

  /** Ends the version for new calls; those in flight finish. */
  retire(): void {
    this.#retired = true;
    this.#discardIfUnused();
  }

  #discardIfUnused(): void {
    if (this.#retired && this.#calls === 0) this.engine.discard(this.weights);
  }
}
