import { MemoryStore } from '@agent-lightning/store';
import type { Claim, LlmEndpoint, RolloutMode, Span } from '@agent-lightning/core';
import OpenAI from 'openai';
import { Gateway, type GatewayOptions } from '../src/index.ts';

/** A gateway over a memory store, with one open attempt. */
export interface Harness {
  readonly store: MemoryStore;
  readonly gateway: Gateway;
  readonly claim: Claim;
  readonly endpoint: LlmEndpoint;
  readonly client: OpenAI;
  /** Opens one more attempt. */
  open(mode?: RolloutMode, rolloutId?: string): Promise<{ claim: Claim; endpoint: LlmEndpoint; client: OpenAI }>;
  /** Closes the attempt and reads its spans with their tokens. */
  finish(claim?: Claim): Promise<readonly Span[]>;
  post(body: unknown, init?: RequestInit & { path?: string }): Promise<Response>;
}

const running: (() => Promise<void>)[] = [];

/** Stops what the tests of one file started. */
export async function stopAll(): Promise<void> {
  for (const stop of running.splice(0).toReversed()) await stop();
}

export function onStop(stop: () => Promise<void>): void {
  running.push(stop);
}

export function clientFor(endpoint: LlmEndpoint): OpenAI {
  return new OpenAI({ baseURL: endpoint.baseUrl, apiKey: endpoint.apiKey, maxRetries: 0 });
}

export async function startHarness(options: Partial<GatewayOptions> & { mode?: RolloutMode } = {}): Promise<Harness> {
  const { mode = 'train', ...gatewayOptions } = options;
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store, retryBaseMs: 1, retryMaxMs: 2, ...gatewayOptions });
  onStop(async () => {
    await gateway.close();
    await store.close();
  });
  const open: Harness['open'] = async (openMode = mode, rolloutId) => {
    await store.enqueue([{ input: null, mode: openMode, ...(rolloutId === undefined ? {} : { rolloutId }) }]);
    const [claim] = await store.claim({ workerId: 'test', leaseMs: 600_000 });
    if (claim === undefined) throw new Error('nothing to claim');
    const endpoint = await gateway.openAttempt(claim);
    return { claim, endpoint, client: clientFor(endpoint) };
  };
  const first = await open();
  return {
    store,
    gateway,
    open,
    ...first,
    async finish(claim = first.claim) {
      await gateway.closeAttempt(claim);
      return store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    },
    post(body, { path = '/chat/completions', headers, ...init } = {}) {
      return fetch(`${first.endpoint.baseUrl}${path}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${first.endpoint.apiKey}`, ...headers },
      });
    },
  };
}

/** Waits for something that another socket brings about; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
