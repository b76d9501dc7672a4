import { Agent } from 'undici';

/** Where a load is sent, and what. */
export interface Target {
  readonly baseUrl: string;
  readonly apiKey: string;
}

export interface Load {
  /** Used in turn. */
  readonly targets: readonly Target[];
  readonly body: Buffer;
  readonly calls: number;
  readonly concurrency: number;
  /** Calls per second; absent: each connection calls again as soon as it has its reply. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** In ms, from the planned start where a rate was given, so that waiting counts. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function call(agent: Agent, target: Target, body: Buffer): Promise<void> {
  const { origin, pathname } = new URL(`${target.baseUrl}/chat/completions`);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${target.apiKey}` };
  return new Promise((resolve, reject) => {
    let status = 0;
    agent.dispatch(
      { origin, path: pathname, method: 'POST', headers, body },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: () => undefined,
        onResponseEnd: () => (status === 200 ? resolve() : reject(new Error(`status ${status}`))),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

function percentile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
}

/** Sends a load and measures it. */
export async function drive(load: Load): Promise<LoadResult> {
  const agent = new Agent();
  const latencies: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const one = async (plannedAt: number): Promise<void> => {
    const target = load.targets[next++ % load.targets.length];
    if (target !== undefined) await call(agent, target, load.body);
    latencies.push(performance.now() - plannedAt);
  };
  if (load.rate === undefined) {
    await Promise.all(
      Array.from({ length: load.concurrency }, async () => {
        while (next < load.calls) await one(performance.now());
      }),
    );
  } else {
    const running: Promise<void>[] = [];
    for (let index = 0; index < load.calls; index += 1) {
      const plannedAt = startedAt + (index * 1_000) / load.rate;
      const waitMs = plannedAt - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      running.push(one(performance.now()));
    }
    await Promise.all(running);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await agent.destroy();
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    requestsPerSecond: Math.round(latencies.length / seconds),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}
