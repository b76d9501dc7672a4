import type { LightningStore, Span, SpanQuery } from '@agent-lightning/core';

/** Returns the store, which answers a query of spans that is asked for twice in a row from memory: each rollout of a step reads the whole step. */
export function rememberSpans(store: LightningStore): LightningStore {
  let known: { readonly key: string; readonly spans: Promise<readonly Span[]> } | undefined;
  const querySpans = async (query: SpanQuery): Promise<readonly Span[]> => {
    const key = JSON.stringify(query);
    if (query.rolloutIds.length < 2) return await store.querySpans(query);
    if (known?.key !== key) known = { key, spans: store.querySpans(query) };
    return await known.spans;
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'querySpans') return querySpans;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
