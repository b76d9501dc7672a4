/** Makes vLLM sample the versions of a connection's policies. */
import { LightningError, type Logger } from '@agent-lightning/core';
import { systemClock, type Clock } from '@agent-lightning/platform';
import type { Connection, Publisher } from '@agent-lightning/tinker';
import { comparedText, type MeasuredPrompt } from './compare-models.ts';
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
  return async ({ client, text, contextLength, dtype, base }) => {
    const closing = new AbortController();
    const { directory, chatTemplate } = text;
    try {
      const fleet = await openFleet({
        options,
        model: { directory, loraRank, contextLength, dtype, toolCallFormat: chatTemplate?.toolCallFormat },
        measurePrompt: () => measurePrompt({ base, text, contextLength, dtype }, logger),
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

/** Measures the text of the comparison in the worker; undefined, with a warning, where the worker cannot. */
async function measurePrompt(
  { base, text, contextLength, dtype }: Pick<Connection, 'base' | 'text' | 'contextLength' | 'dtype'>,
  logger: Logger,
): Promise<MeasuredPrompt | undefined> {
  // The worker and vLLM both sample one token after a prompt that they measure.
  const tokens = text.tokenizer.encode(comparedText, false).subarray(0, contextLength - 1);
  const zeros = new Float32Array(tokens.length);
  const lossMask = new Uint8Array(tokens.length).fill(1, 1);
  try {
    const [logprobs] = await base.logprobs([{ tokens, lossMask, logprobs: zeros, advantages: zeros }]);
    return { tokens, logprobs: logprobs!, dtype };
  } catch (error) {
    if (!LightningError.isInstance(error) || !['option-unsupported', 'samples-invalid'].includes(error.code))
      throw error;
    logger.warn(`vLLM is not compared with the worker, which cannot measure a prompt: ${error.message}`);
    return undefined;
  }
}
