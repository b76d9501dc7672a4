/** Saves, loads and frees the weights of a policy on its server. */
import type { Logger } from '@agent-lightning/core';
import type { ServerTraits } from './server-kinds.ts';
import { deleteCheckpoint } from './server-checkpoints.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import { TinkerModel, type ModelSpec } from './tinker-model.ts';
import type { JsonObject } from './protocol.ts';

export interface PolicyWeightsParts {
  readonly spec: ModelSpec;
  readonly client: TinkerClient;
  readonly traits: ServerTraits;
  /** True when the server loads a state into a model that is in use. */
  readonly loadsInPlace: boolean;
  readonly logger: Logger;
}

/** The model that a policy trains at the moment; on most servers, loading a state makes it another one. */
export class PolicyWeights {
  readonly #parts: PolicyWeightsParts;
  #model: TinkerModel;
  #toldOfKeptStates = false;

  private constructor(parts: PolicyWeightsParts, model: TinkerModel) {
    this.#parts = parts;
    this.#model = model;
  }

  static async create(parts: PolicyWeightsParts): Promise<PolicyWeights> {
    return new PolicyWeights(parts, await TinkerModel.create(parts.client, parts.traits, parts.spec));
  }

  get model(): TinkerModel {
    return this.#model;
  }

  /** Saves weights and moments under a new name and returns their path on the server. */
  async save(): Promise<string> {
    const fields = (name: string): JsonObject => ({ path: name, type: 'save_weights' });
    const { path } = await this.#model.save('save_weights', fields);
    if (typeof path !== 'string' || !path.startsWith('tinker://')) throw malformed('save_weights', 'path');
    return path;
  }

  /** Loads what {@link save} saved, into this model or a new one; an accumulated gradient is gone. */
  async load(path: string): Promise<void> {
    const { client, traits, spec, loadsInPlace } = this.#parts;
    const fields = { path, optimizer: true, type: 'load_weights' };
    const old = this.#model;
    if (!old.isLost && (old.isFresh || loadsInPlace)) await old.run('load_weights', fields, 'checkpoint-corrupt');
    else if (traits.severalModels) {
      const fresh = await TinkerModel.create(client, traits, spec);
      try {
        await fresh.run('load_weights', fields, 'checkpoint-corrupt');
      } catch (error) {
        await this.#unload(fresh);
        throw error;
      }
      this.#model = fresh;
      await this.#unload(old);
    } else {
      const what = `the state ${path}`;
      await client.call('POST', '/api/v1/weights_info', { tinker_path: path }, { what, missing: 'checkpoint-corrupt' });
      await old.unload();
      this.#model = await TinkerModel.create(client, traits, spec);
      await this.#model.run('load_weights', fields, 'checkpoint-corrupt');
    }
  }

  /** Deletes a saved state. A failure is logged once and thrown never, since it must not end a run. */
  async delete(path: string): Promise<void> {
    try {
      await deleteCheckpoint(this.#parts.client, path);
    } catch (error) {
      if (!this.#toldOfKeptStates)
        this.#parts.logger.warn(
          `saved states of policy '${this.#parts.spec.policy}' stay on the server, such as ${path}: ${String(error)}`,
        );
      this.#toldOfKeptStates = true;
    }
  }

  async #unload(model: TinkerModel): Promise<void> {
    await model
      .unload()
      .catch((error: unknown) =>
        this.#parts.logger.warn(
          `a model of policy '${this.#parts.spec.policy}' stays loaded on the server: ${String(error)}`,
        ),
      );
  }
}
