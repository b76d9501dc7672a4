/** Makes vLLM sample the versions of a connection's policies. */
import type { Logger } from '@agent-lightning/core';
import { systemClock, type Clock } from '@agent-lightning/platform';
import type { Connection, Publisher } from '@agent-lightning/tinker';
import { openFleet } from './open-fleet.ts';
import type { ResolvedVllm } from './vllm-options.ts';
import { VllmPublisher } from './vllm-publisher.ts';

export interface VllmPublisherParts {
  readonly options: ResolvedVllm;
  /** The rank of the adapters that will be published. */
  readonly loraRank: number;
  readonly logger: Logger;
  /** A signal that ends every wait. */
  readonly signal: AbortSignal | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly clock?: Clock;
}

/** Opens the servers once the training server is known, since they serve its model. */
export function createVllmPublisher(
  parts: VllmPublisherParts,
): (connection: Omit<Connection, 'publisher'>) => Promise<Publisher> {
  const { options, loraRank, logger, signal, fetch, clock = systemClock } = parts;
  return async ({ client, text, contextLength }) => {
    const closing = new AbortController();
    const { directory, chatTemplate } = text;
    try {
      const fleet = await openFleet({
        options,
        model: { directory, loraRank, contextLength, toolCallFormat: chatTemplate?.toolCallFormat },
        clock,
        logger,
        fetch,
        signal: signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
      });
      return new VllmPublisher({ fleet, client, sleeps: options.sleep, closing });
    } catch (error) {
      closing.abort(error); // replicas that did come up are not watched any more
      throw error;
    }
  };
}
