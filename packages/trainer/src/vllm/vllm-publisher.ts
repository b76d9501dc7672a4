/** Releases that vLLM samples: each version is saved as an adapter by the training worker and loaded under a fresh name. */
import { ConfigurationError, type PolicyRelease } from '@agent-lightning/core';
import type { Publishable, Publisher } from '../tinker/publisher.ts';
import { deleteCheckpoint } from '../tinker/server-checkpoints.ts';
import { malformed, type TinkerClient } from '../tinker/tinker-client.ts';
import type { VllmFleet } from './vllm-fleet.ts';

export class VllmPublisher implements Publisher {
  readonly kind = 'openai';
  readonly liveReleases: number;
  readonly #fleet: VllmFleet;
  readonly #client: TinkerClient;

  constructor(fleet: VllmFleet, client: TinkerClient) {
    this.liveReleases = fleet.liveReleases;
    this.#fleet = fleet;
    this.#client = client;
  }

  async publish({ policy, model, version }: Publishable): Promise<PolicyRelease> {
    const what = 'save_weights_for_sampler';
    const { path, adapter_directory: directory } = await model.save(what, (name) => ({ path: name, type: what }));
    if (typeof path !== 'string') throw malformed(what, 'path');
    if (typeof directory !== 'string') {
      throw new ConfigurationError(
        `Version ${version} of policy '${policy}' has no adapter that vLLM could load: train with lora, or without the option vllm.`,
        { code: 'option-unsupported' },
      );
    }
    // vLLM reads the files again when an adapter returns to its memory, so they stay as long as the version does.
    return await this.#fleet.publish({
      policy,
      version,
      directory,
      discard: () => deleteCheckpoint(this.#client, path),
    });
  }

  async baseRelease(): Promise<PolicyRelease> {
    return this.#fleet.baseRelease();
  }

  async close(): Promise<void> {
    await this.#fleet.close();
  }
}
