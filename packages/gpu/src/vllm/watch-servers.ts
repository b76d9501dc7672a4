/** Tells which replicas calls may go to: those that are well. While there is none, calls wait for the first that comes back. */
import { BackendError, type ServerWatch } from '@agent-lightning/core';
import type { VllmServer } from './vllm-server.ts';

type Watched = Pick<VllmServer, 'url' | 'isWell' | 'becomeWell' | 'doubt'>;

/** Returns the base URL of a server's OpenAI routes. */
export function baseUrlOf({ url }: Pick<VllmServer, 'url'>): string {
  return `${url}/v1`;
}

/** Watches servers that come back by themselves, each within its own time. */
export function watchServers(servers: readonly Watched[]): ServerWatch {
  return {
    async awaitServers() {
      for (;;) {
        const well = servers.filter(({ isWell }) => isWell);
        if (well.length > 0) return well.map(baseUrlOf);
        await anyWell(servers);
      }
    },
    reportFailure(baseUrl) {
      servers.find((server) => baseUrlOf(server) === baseUrl)?.doubt();
    },
  };
}

async function anyWell(servers: readonly Watched[]): Promise<void> {
  try {
    await Promise.any(servers.map((server) => server.becomeWell()));
  } catch (error) {
    const reasons = (error as AggregateError).errors.map((reason: unknown) =>
      reason instanceof Error ? reason.message : String(reason),
    );
    throw new BackendError(reasons.join('\n'), { code: 'backend-failed', retryable: true, cause: error });
  }
}
