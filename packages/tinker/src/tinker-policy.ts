/** Implements a trainable policy on a Tinker-style server. */
import {
  BackendError,
  type AdamParameters,
  type Loss,
  type PolicySnapshot,
  type TrainablePolicy,
  type TrainingSample,
  seededRandom,
  backendChecks,
} from '@agent-lightning/core';
import { toAdamParams } from './adam.ts';
import type { BaseModel } from './base-model.ts';
import { chunkDatums, mergeOutputs } from './chunks.ts';
import { toDatum, toForwardDatum } from './datum.ts';
import type { AdamField } from './server-kinds.ts';
import { exportModel } from './export-model.ts';
import { passResult, readPass, sampleLogprobs } from './pass-result.ts';
import { findPolicyState, readPolicyState, requireSameModel, writePolicyState } from './policy-state.ts';
import { PolicyWeights, type PolicyWeightsParts } from './policy-weights.ts';
import { PendingGradient, type PendingPass } from './pending-gradient.ts';
import type { Publisher } from './publisher.ts';
import type { AwaitResult, TinkerModel } from './tinker-model.ts';
import type { Datum, JsonObject, PassInput, PassOutput } from './protocol.ts';

export interface TinkerPolicyParts extends PolicyWeightsParts {
  readonly serverAdam: Readonly<Partial<Record<AdamField, number>>>;
  readonly limits: Parameters<typeof backendChecks.samples>[1];
  readonly losses: readonly Loss['name'][];
  /** True where the server's ppo honours a dual clip. */
  readonly dualClip: boolean;
  /** True when the server takes a mask beside a loss's inputs. */
  readonly takesMask: boolean;
  readonly base: BaseModel;
  readonly publisher: Publisher;
  /** The directory of the files that an export needs beside weights. */
  readonly textDirectory: string;
  /** Throws once the backend is closed. @throws {BackendError} `backend-closed` */
  readonly requireOpen: () => void;
}

/** A policy whose calls are submitted in the order in which they are made, and awaited as they end. */
export class TinkerPolicy implements TrainablePolicy {
  readonly name: string;
  readonly #parts: TinkerPolicyParts;
  readonly #weights: PolicyWeights;
  #lastSubmission: Promise<unknown> = Promise.resolve();
  readonly #gradient: PendingGradient;
  #step = 0;
  #draws = 0;
  #toldOfMeans = false;

  private constructor(parts: TinkerPolicyParts, weights: PolicyWeights) {
    this.name = parts.spec.policy;
    this.#parts = parts;
    this.#weights = weights;
    this.#gradient = new PendingGradient(parts.traits.dropsFailedGradient);
  }

  static async create(parts: TinkerPolicyParts): Promise<TinkerPolicy> {
    return new TinkerPolicy(parts, await PolicyWeights.create(parts));
  }

  async forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    backendChecks.samples(samples, this.#parts.limits);
    const what = this.#weights.model.describe('forward');
    const chunks = chunkDatums(samples.map((sample) => toForwardDatum(sample, this.#parts.takesMask)));
    const pass = await this.#submitted(() => this.#beginPass('forward', chunks, { name: 'cross_entropy' }));
    return sampleLogprobs(samples, pass, what);
  }

  async forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    backendChecks.samples(samples, this.#parts.limits);
    this.#parts.requireOpen();
    return await this.#parts.base.logprobs(samples);
  }

  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    const { limits, losses, dualClip, takesMask } = this.#parts;
    backendChecks.loss(loss, losses, { dualClip });
    backendChecks.samples(samples, limits);
    const chunks = chunkDatums(samples.map((sample) => toDatum(sample, loss.name, takesMask)));
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    try {
      return await this.#runPass({ requests: chunks.length, ended }, samples, chunks, loss);
    } finally {
      end();
    }
  }

  async optimStep(adam: AdamParameters): Promise<Awaited<ReturnType<TrainablePolicy['optimStep']>>> {
    const params = toAdamParams(adam, this.#parts.traits, this.#parts.serverAdam);
    const fields = { adam_params: params, type: 'optim_step' };
    const { model, body } = await this.#submitted(async () => {
      await this.#gradient.untilWhole();
      await this.#dropBadGradient();
      const { model } = this.#weights;
      const awaitStep = await this.#gradient.take(() => model.begin('optim_step', fields, 'option-invalid'));
      return async () => ({ model, body: await awaitStep() });
    });
    this.#step += 1;
    const gradientNorm = this.#gradientNormOf(model, body);
    return { step: this.#step, ...(gradientNorm === undefined ? {} : { gradientNorm }) };
  }

  publish(version: number): Promise<PolicySnapshot> {
    return this.#alone(async () => {
      if (!Number.isSafeInteger(version) || version < 0) {
        throw new BackendError(`publish(): version is ${version}; expected an integer of at least 0.`, {
          code: 'option-invalid',
        });
      }
      const { publisher } = this.#parts;
      return await publisher.publish({
        policy: this.name,
        model: this.#weights.model,
        version,
        nextSeed: () => this.#nextSeed(),
      });
    });
  }

  saveState(directory: string): Promise<void> {
    return this.#alone(async () => {
      if (!this.#gradient.isEmpty) {
        throw new BackendError(
          `Policy '${this.name}' has a gradient that waits for optimStep and that a saved state does not hold; call optimStep before saveState.`,
          { code: 'option-unsupported' },
        );
      }
      const replaced = await findPolicyState(directory);
      const { spec, client } = this.#parts;
      await writePolicyState(directory, {
        path: await this.#weights.save(),
        server: client.http.url,
        baseModel: spec.baseModel,
        lora: spec.lora,
        step: this.#step,
        draws: this.#draws,
      });
      if (replaced !== undefined) await this.#weights.delete(replaced.path);
    });
  }

  loadState(directory: string): Promise<void> {
    return this.#alone(async () => {
      const state = await readPolicyState(directory);
      requireSameModel(state, this.#parts.spec, directory);
      await this.#load(state.path);
      this.#step = state.step;
      this.#draws = state.draws;
    });
  }

  async discardState(directory: string): Promise<void> {
    const state = await findPolicyState(directory);
    if (state !== undefined) await this.#weights.delete(state.path);
  }

  exportModel(directory: string): Promise<void> {
    const { client, traits, textDirectory } = this.#parts;
    return this.#alone(() => exportModel({ client, traits, textDirectory, model: this.#weights.model, directory }));
  }

  /** Frees the model on the server. */
  async unload(signal: AbortSignal): Promise<void> {
    await this.#weights.model.unload(signal);
  }

  /** Runs a pass of `forwardBackward`, and does what has to be done where it fails. */
  async #runPass(
    pass: PendingPass,
    samples: readonly TrainingSample[],
    chunks: readonly (readonly Datum[])[],
    loss: Loss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    let { model } = this.#weights;
    const what = model.describe('forward_backward');
    const onAccepted = (): void => {
      ({ model } = this.#weights);
      this.#gradient.add(pass);
    };
    try {
      const output = await this.#submitted(async () => {
        await this.#parts.publisher.beforeTraining?.();
        return await this.#beginPass('forward_backward', chunks, loss, onAccepted);
      });
      this.#warnOfMeans(output);
      return passResult(samples, loss, output, what);
    } catch (error) {
      if (this.#gradient.fail(pass)) model.lose(`${what} failed after a step on its gradient was sent`, error);
      throw error;
    }
  }

  /** Submits a batch in as many requests as it needs, in order. */
  async #beginPass(
    route: 'forward' | 'forward_backward',
    chunks: readonly (readonly Datum[])[],
    loss: Loss,
    onAccepted: () => void = () => undefined,
  ): Promise<() => Promise<PassOutput>> {
    const model = this.#weights.model;
    const waiting: { readonly await: AwaitResult; readonly size: number }[] = [];
    for (const chunk of chunks) {
      const input = { data: chunk, loss_fn: loss.name, ...lossConfig(loss) };
      waiting.push({ await: await model.beginPass(route, input), size: chunk.length });
      onAccepted();
    }
    return async () => {
      // All of them end before any counts: a chunk that is still at work would add its gradient to what comes next.
      const ends = await Promise.allSettled(waiting.map((chunk) => chunk.await()));
      const outputs = ends.map((end, index) => {
        if (end.status === 'rejected') throw end.reason;
        return readPass(end.value, model.describe(route), waiting[index]!.size);
      });
      return mergeOutputs(outputs);
    };
  }

  /** Warns once about SkyRL's JAX backend, which alone reports no metrics, and averages losses where every other server sums. */
  #warnOfMeans({ metrics }: PassOutput): void {
    if (this.#toldOfMeans || this.#parts.traits.kind !== 'skyrl' || Object.keys(metrics).length > 0) return;
    this.#toldOfMeans = true;
    this.#parts.logger.warn(
      "this SkyRL server looks like its JAX backend, which divides each training sample's loss by the sum of its weights and averages them: gradients are not those of the algorithm, and explode where weights of both signs cancel. Train with its FSDP or Megatron backend.",
    );
  }

  /** Drops a bad gradient by loading the weights anew, with which a server forgets it. */
  async #dropBadGradient(): Promise<void> {
    if (!this.#gradient.isBad || this.#weights.model.isLost) return; // a lost model's weights come from a saved state
    this.#parts.logger.warn(
      `policy '${this.name}' drops the gradient of a batch that failed, by loading its own weights`,
    );
    const path = await this.#weights.save();
    await this.#load(path);
    await this.#weights.delete(path);
  }

  async #load(path: string): Promise<void> {
    await this.#weights.load(path);
    this.#gradient.clear();
  }

  #gradientNormOf(model: TinkerModel, { metrics }: JsonObject): number | undefined {
    const reported = (metrics ?? {}) as Readonly<Record<string, unknown>>;
    const name = this.#parts.traits.gradientNormMetrics.find((candidate) => candidate in reported);
    if (name === undefined) return undefined;
    const norm = reported[name];
    if (typeof norm === 'number' && Number.isFinite(norm)) return norm;
    const what = `${model.describe('optim_step')} reports the gradient norm ${String(norm)}`;
    model.lose(what, undefined);
    throw new BackendError(`${what}: its weights may be damaged. Load the last saved state.`, { code: 'numerics' });
  }

  #nextSeed(): number {
    this.#draws += 1;
    return Math.floor(seededRandom(this.#parts.spec.seed, `sample/${this.#draws}`)() * 2 ** 31);
  }

  /** Submits after all earlier calls; the result is awaited outside the queue, so that the next call can be submitted. */
  #submitted<Result>(begin: () => Promise<() => Promise<Result>>): Promise<Result> {
    const submission = this.#lastSubmission.then(async () => {
      this.#parts.requireOpen();
      await this.#dropBadGradient();
      return await begin();
    });
    this.#lastSubmission = submission.catch(() => undefined); // the caller has the error; the next call does not depend on it
    return submission.then((awaitResult) => awaitResult());
  }

  /** Does work of several operations that no other call may interrupt. */
  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#submitted(async () => {
      const result = await work();
      return async () => result;
    });
  }
}

function lossConfig(loss: Loss): Pick<PassInput, 'loss_fn_config'> {
  if (loss.name !== 'ppo' && loss.name !== 'cispo') return {};
  const bounds = { clip_low_threshold: loss.clipLow, clip_high_threshold: loss.clipHigh };
  const dualClip = loss.name === 'ppo' ? loss.dualClip : undefined;
  return { loss_fn_config: dualClip === undefined ? bounds : { ...bounds, dual_clip_threshold: dualClip } };
}
