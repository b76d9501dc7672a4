import { StoreError, type LightningStore } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';

/** What a store says that is away. */
export const away = new StoreError('the server is away', { code: 'store-unavailable', retryable: true });

const open: MemoryStore[] = [];

export async function closeRemoteStores(): Promise<void> {
  for (const store of open.splice(0)) await store.close();
}

/** A store that a test can take away from those who use `store`, and give back; `inner` always answers. */
export class RemoteStore {
  isAway = false;
  refused = 0;
  nowMs = 1_000;
  readonly inner: MemoryStore = new MemoryStore({ now: () => this.nowMs, watchdogIntervalMs: 0 });
  readonly store: LightningStore;

  constructor() {
    open.push(this.inner);
    this.store = new Proxy<LightningStore>(this.inner, {
      get: (_, name: keyof LightningStore) => {
        const method = this.inner[name] as (...given: unknown[]) => Promise<unknown>;
        return async (...given: unknown[]) => {
          if (!this.isAway) return await method.apply(this.inner, given);
          this.refused += 1;
          throw away;
        };
      },
    });
  }
}
