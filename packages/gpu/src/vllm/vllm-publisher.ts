/** Publishes snapshots that vLLM samples: the training worker saves each version as an adapter, and vLLM loads it under a fresh name. */
import { BackendError, ConfigurationError, type PolicySnapshot } from '@agent-lightning/core';
import { saveAdapter, type Connection, type Publishable, type Publisher } from '@agent-lightning/tinker';
import type { VllmFleet } from './vllm-fleet.ts';

export interface VllmPublisherState {
  readonly fleet: VllmFleet;
  readonly client: Connection['client'];
  /** True when vLLM sleeps while the policies train. */
  readonly sleeps: boolean;
  /** Ends the fleet's watches and waits. */
  readonly closing: AbortController;
}

export class VllmPublisher implements Publisher {
  readonly kind = 'openai';
  readonly liveSnapshots: number;
  readonly #state: VllmPublisherState;
  #isAsleep = false;

  constructor(state: VllmPublisherState) {
    this.liveSnapshots = state.fleet.liveSnapshots;
    this.#state = state;
  }

  async beforeTraining(): Promise<void> {
    if (!this.#state.sleeps || this.#isAsleep) return;
    await this.#state.fleet.sleep();
    this.#isAsleep = true;
  }

  async publish({ policy, model, version }: Publishable): Promise<PolicySnapshot> {
    const { fleet, client } = this.#state;
    const { directory, discard } = await saveAdapter(client, model);
    if (directory === undefined) {
      throw new ConfigurationError(
        `Version ${version} of policy '${policy}' has no adapter that vLLM could load: train with lora, or without the option vllm.`,
        { code: 'option-unsupported' },
      );
    }
    // vLLM reads the files again when an adapter returns to its memory, so they stay as long as the version does.
    this.#isAsleep = false;
    return await fleet.publish({ policy, version, directory, discard });
  }

  async baseSnapshot(): Promise<PolicySnapshot> {
    return this.#state.fleet.baseSnapshot();
  }

  async close(): Promise<void> {
    const { fleet, closing } = this.#state;
    closing.abort(new BackendError('This training backend is closed.', { code: 'backend-closed' }));
    await fleet.close();
  }
}
