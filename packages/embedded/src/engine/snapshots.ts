/** Keeps frozen copies of the forward weights in the shared memory. */
import { BackendError } from '@agent-lightning/core';
import type { Address, Kernels } from '../kernels/kernels.ts';
import type { ModelMemory } from '../model/model-memory.ts';
import type { WeightsVersion } from './engine-types.ts';
import { withMemoryErrors } from './memory-errors.ts';

interface Snapshot {
  readonly address: Address;
  readers: number;
  isDiscarded: boolean;
}

/** Holds snapshots by version, and frees each one when it is discarded and no call reads it any more. */
export class Snapshots {
  readonly #memory: ModelMemory;
  readonly #kernels: Kernels;
  readonly #onFreed: (version: number) => void;
  readonly #snapshots = new Map<number, Snapshot>();
  #nextVersion = 1;

  /** @param onFreed is called before the memory of a version is reused */
  constructor(memory: ModelMemory, kernels: Kernels, onFreed: (version: number) => void) {
    this.#memory = memory;
    this.#kernels = kernels;
    this.#onFreed = onFreed;
  }

  /** Copies the training weights. @throws BackendError `backend-failed` when the memory is full */
  take(): WeightsVersion {
    const { heap, layout, map } = this.#memory;
    const address = withMemoryErrors(() => heap.allocate(layout.forwardFloats * 4));
    this.#kernels.copyFloats(layout.forwardFloats, map.forward, address);
    const version = { id: this.#nextVersion++ };
    this.#snapshots.set(version.id, { address, readers: 0, isDiscarded: false });
    return version;
  }

  /** Returns the address of a snapshot and keeps it from being freed; pair with {@link release}. */
  acquire(version: WeightsVersion): Address {
    const snapshot = this.#find(version);
    snapshot.readers++;
    return snapshot.address;
  }

  release(version: WeightsVersion): void {
    const snapshot = this.#snapshots.get(version.id);
    if (!snapshot) return;
    snapshot.readers--;
    this.#freeIfUnread(version.id, snapshot);
  }

  discard(version: WeightsVersion): void {
    const snapshot = this.#find(version);
    snapshot.isDiscarded = true;
    this.#freeIfUnread(version.id, snapshot);
  }

  #find(version: WeightsVersion): Snapshot {
    const snapshot = this.#snapshots.get(version.id);
    if (!snapshot || snapshot.isDiscarded)
      throw new BackendError(`Weights version ${version.id} was discarded or is of another engine.`, {
        code: 'backend-failed',
      });
    return snapshot;
  }

  #freeIfUnread(id: number, snapshot: Snapshot): void {
    if (!snapshot.isDiscarded || snapshot.readers > 0) return;
    this.#snapshots.delete(id);
    this.#onFreed(id);
    this.#memory.heap.free(snapshot.address, this.#memory.layout.forwardFloats * 4);
  }
}
