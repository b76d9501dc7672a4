import { createHash } from 'node:crypto';
import { TimeoutError, type AlgorithmHost } from '@agent-lightning/core';
import { unlessAborted } from '@agent-lightning/platform';
import type { AskModel } from '@agent-lightning/tracing';

/** The parts of a run that asking needs: its store, and the signal that ends it. */
export type AskingHost = Pick<AlgorithmHost, 'findResources' | 'putResources' | 'signal'>;

/** The answer of a model, or the error of a model that gave none. */
export type Asked = { readonly answer: string } | { readonly error: unknown };

/**
 * Asks a model, or returns what it answered to the same request for the same purpose before: an answer is kept in the store before it is used.
 * An error of the model is returned; one of the store is thrown.
 * @throws {TimeoutError} `cancelled` when the run ends before the answer is there
 */
export async function askOnce(host: AskingHost, ask: AskModel, purpose: string, request: string): Promise<Asked> {
  const digest = createHash('sha256')
    .update(JSON.stringify([purpose, request]))
    .digest('hex')
    .slice(0, 24);
  const kept = (await host.findResources(`answer-${digest}`))?.['answer'];
  if (kept?.type === 'json' && typeof kept.value === 'string') return { answer: kept.value };
  let answer: string;
  try {
    answer = await unlessAborted(ask(request, host.signal), host.signal);
  } catch (error) {
    if (host.signal.aborted) throw cancelled(error);
    return { error };
  }
  await host.putResources(`answer-${digest}`, { answer: { type: 'json', value: answer } });
  return { answer };
}

function cancelled(cause: unknown): TimeoutError {
  return new TimeoutError('the model that looks for prompts was not waited for: the run ends', {
    code: 'cancelled',
    cause,
  });
}
