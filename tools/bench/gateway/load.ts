import { Agent, request as httpRequest } from 'node:http';

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
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${target.baseUrl}/chat/completions`,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          authorization: `Bearer ${target.apiKey}`,
        },
      },
      (reply) => {
        reply.resume();
        reply.on('error', reject);
        reply.on('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(`status ${reply.statusCode}`))));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function percentile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
}

/** Sends a load and measures it. */
export async function drive(load: Load): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.concurrency });
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
  agent.destroy();
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    requestsPerSecond: Math.round(latencies.length / seconds),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}
