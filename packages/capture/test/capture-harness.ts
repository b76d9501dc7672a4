import { captureRollouts, type CaptureOptions, type RolloutCapture } from '../src/index.ts';
import { exportRun, MemoryStore, type ExportedRollout } from '@agent-lightning/store';
import type { LightningError, LightningStore } from '@agent-lightning/core';

export interface CaptureHarness {
  readonly store: LightningStore;
  readonly capture: RolloutCapture;
  readonly errors: LightningError[];
  /** Everything that the store has of the run, after a flush. */
  exported(): Promise<readonly ExportedRollout[]>;
}

/** A capture on a real store. */
export function captureInto(options: Partial<CaptureOptions> = {}): CaptureHarness {
  const store = options.store ?? new MemoryStore();
  const errors: LightningError[] = [];
  const capture = captureRollouts({ store, onError: (error) => errors.push(error), ...options });
  return {
    store,
    capture,
    errors,
    exported: async () => {
      await capture.flush();
      const rollouts: ExportedRollout[] = [];
      for await (const rollout of exportRun(store, options.runId ?? 'production')) rollouts.push(rollout);
      return rollouts;
    },
  };
}

/** A store of which some methods do something else. */
export function brokenStore(store: LightningStore, broken: Partial<LightningStore>): LightningStore {
  return new Proxy(store, {
    get(target, name) {
      if (name in broken) return broken[name as keyof LightningStore];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export const nothingDropped: Readonly<Record<string, number>> = {
  'buffer-full': 0,
  'input-invalid': 0,
  'redaction-failed': 0,
  'store-refused': 0,
  closed: 0,
};
