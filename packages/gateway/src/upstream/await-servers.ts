import { LightningError, type PolicySnapshot } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

type UpstreamSnapshot = Extract<PolicySnapshot, { kind: 'openai' }>;

/**
 * Returns the base URLs of a snapshot's servers that may be asked. While whoever watches them says that none is well, the call is held.
 * @throws {ReplyError} `upstream-away` when none came back in time, or when the call ended while it was held
 */
export async function awaitServers(snapshot: UpstreamSnapshot, signal: AbortSignal): Promise<readonly string[]> {
  const { watch } = snapshot;
  if (watch === undefined) return [snapshot.baseUrl, ...(snapshot.replicas ?? [])];
  signal.throwIfAborted();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([watch.awaitServers(), ended]);
  } catch (cause) {
    const problem = signal.aborted ? `the call was held until it ended: ${describe(cause)}` : describe(cause);
    throw new ReplyError(`no server of the model is well; ${problem}`, {
      code: 'upstream-failed',
      replyCode: 'upstream-away',
      status: 503,
      retryable: true,
      headers: { 'retry-after': '5' },
      cause,
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function describe(error: unknown): string {
  return LightningError.isInstance(error) || error instanceof Error ? error.message : String(error);
}
