import type { LightningStore } from '@agent-lightning/core';
import type { SpendMeter } from './spend-meter.ts';

/** Returns the store, whose model calls the meter counts: as they are written here, and those of other processes when they are read. */
export function meterStore(
  store: LightningStore,
  meter: Pick<SpendMeter, 'countWritten' | 'countRead'>,
): LightningStore {
  const own: Partial<LightningStore> = {
    appendSpans: async (lease, spans) => {
      const ids = await store.appendSpans(lease, spans);
      meter.countWritten(lease.attemptId, spans);
      return ids;
    },
    querySpans: async (query) => {
      const spans = await store.querySpans(query);
      const isWhole = query.kinds?.includes('model_call') !== false && query.name === undefined;
      if (isWhole && query.under === undefined && query.attemptId === 'latest') meter.countRead(spans);
      return spans;
    },
  };
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Object.hasOwn(own, name) ? own[name as keyof LightningStore] : Reflect.get(target, name);
      return typeof value === 'function' && !Object.hasOwn(own, name) ? value.bind(target) : value;
    },
  });
}
