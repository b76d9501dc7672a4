/** Implements a trainable policy on an engine of its own. */
import {
  BackendError,
  LightningError,
  type AdamParameters,
  type Loss,
  type PolicySnapshot,
  type TrainablePolicy,
  type TrainingSample,
} from '@agent-lightning/core';

import { saveAdapter } from '../checkpoint/adapter-directory.ts';
import { saveCheckpoint, type OpenCheckpoint } from '../checkpoint/checkpoint.ts';
import type { ValueLoss, WeightsVersion } from '../engine/engine-types.ts';
import type { LlamaEngine } from '../engine/llama-engine.ts';
import { RandomStream } from '../random/random-stream.ts';
import { EmbeddedSampling } from './embedded-sampling.ts';
import { readPolicyState, writePolicyState } from './policy-state.ts';
import { PublishedWeights } from './published-weights.ts';

/** Snapshots that can begin calls: the newest, and the one before it, which its users still hold while they switch. */
const liveSnapshots = 2;

export interface EmbeddedPolicyParts {
  readonly name: string;
  readonly checkpoint: OpenCheckpoint;
  readonly engine: LlamaEngine;
  /** The start weights, in the same engine. */
  readonly base: WeightsVersion;
  /** Seeds the requests that bring no seed. */
  readonly seed: number;
  /** @throws {BackendError} `backend-closed` once the backend is closed */
  readonly requireOpen: () => void;
}

/** A policy that can write its adapter, too. */
export interface EmbeddedTrainablePolicy extends TrainablePolicy {
  /**
   * Writes the adapter alone, as a PEFT directory that PEFT and vLLM load beside the base model: `adapter_config.json` and
   * `adapter_model.safetensors`, in float32.
   * @throws {BackendError} `option-unsupported` where all weights are trained
   */
  exportAdapter(directory: string): Promise<void>;
}

/** A policy of the embedded backend; its calls run one after another, in the order in which they were made. */
export class EmbeddedPolicy implements EmbeddedTrainablePolicy {
  readonly name: string;
  readonly #checkpoint: OpenCheckpoint;
  readonly #engine: LlamaEngine;
  readonly #base: WeightsVersion;
  readonly #seeds: RandomStream;
  readonly #requireOpen: () => void;
  readonly #live: PublishedWeights[] = [];
  #lastCall: Promise<unknown> = Promise.resolve();
  /** True while a gradient waits for `optimStep`. */
  #hasGradient = false;

  constructor(parts: EmbeddedPolicyParts) {
    this.name = parts.name;
    this.#checkpoint = parts.checkpoint;
    this.#engine = parts.engine;
    this.#base = parts.base;
    this.#seeds = new RandomStream(parts.seed);
    this.#requireOpen = parts.requireOpen;
  }

  forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return this.#inOrder(() => this.#engine.forward(samples));
  }

  forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return this.#inOrder(() => this.#engine.forward(samples, this.#base));
  }

  values(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return this.#inOrder(() => this.#engine.values(samples));
  }

  forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
    valueLoss?: ValueLoss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    return this.#inOrder(async () => {
      const result = await this.#changeGradient(() => this.#engine.forwardBackward(samples, loss, valueLoss));
      this.#hasGradient = true;
      return result;
    });
  }

  optimStep(
    adam: AdamParameters,
    criticLearningRate?: number,
  ): Promise<Awaited<ReturnType<TrainablePolicy['optimStep']>>> {
    return this.#inOrder(async () => {
      const result = await this.#changeGradient(() => this.#engine.optimStep(adam, criticLearningRate));
      this.#hasGradient = false;
      return result;
    });
  }

  publish(version: number): Promise<PolicySnapshot> {
    return this.#inOrder(() => {
      if (!Number.isSafeInteger(version) || version < 0) {
        throw new BackendError(`publish(): version is ${version}; expected an integer of at least 0.`, {
          code: 'option-invalid',
        });
      }
      const published = new PublishedWeights(
        this.#engine,
        this.#engine.snapshot(),
        `Version ${version} of policy '${this.name}'`,
      );
      this.#live.push(published);
      while (this.#live.length > liveSnapshots) this.#live.shift()?.retire();
      return {
        kind: 'engine',
        version,
        engine: new EmbeddedSampling(this.#checkpoint, published, this.#engine.config.maxPositions, this.#seeds),
      };
    });
  }

  saveState(directory: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#hasGradient) {
        throw new BackendError(
          `Policy '${this.name}' has a gradient that waits for optimStep and that a saved state does not hold; call optimStep before saveState.`,
          { code: 'option-unsupported' },
        );
      }
      await writePolicyState(directory, this.#engine, {
        weights: this.#engine.exportWeights(),
        optimizer: this.#engine.exportOptimizer(),
        critic: this.#engine.exportCritic(),
        randomState: this.#seeds.state,
      });
    });
  }

  loadState(directory: string): Promise<void> {
    return this.#inOrder(async () => {
      const state = await readPolicyState(directory, this.#engine);
      this.#engine.loadOptimizer(state.optimizer);
      this.#engine.loadCritic(state.critic);
      await this.#engine.loadWeights(state.weights); // which drops an accumulated gradient
      this.#seeds.state = state.randomState;
      this.#hasGradient = false;
    });
  }

  exportModel(directory: string): Promise<void> {
    const { companions } = this.#checkpoint;
    return this.#inOrder(() =>
      saveCheckpoint(directory, this.#engine.exportedConfig, companions, this.#engine.exportModel()),
    );
  }

  exportAdapter(directory: string): Promise<void> {
    return this.#inOrder(async () => {
      const { config, adaptation } = this.#engine;
      if (!adaptation) {
        throw new BackendError(
          `Policy '${this.name}' trains all weights and has no adapter; use exportModel, or train with lora.`,
          { code: 'option-unsupported' },
        );
      }
      const base = this.#checkpoint.directory;
      await saveAdapter(directory, { config, adaptation, base, tensors: this.#engine.exportWeights() });
    });
  }

  /** Runs a call that changes the gradient. After a number that is not finite the engine has none. */
  async #changeGradient<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      if (LightningError.isInstance(error) && error.code === 'numerics') this.#hasGradient = false;
      throw error;
    }
  }

  #inOrder<Result>(call: () => Result | Promise<Result>): Promise<Result> {
    const result = this.#lastCall.then(() => {
      this.#requireOpen();
      return call();
    });
    this.#lastCall = result.catch(() => undefined); // the caller has the error; the next call does not depend on it
    return result;
  }
}
