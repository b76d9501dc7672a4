import { createHash } from 'node:crypto';
import type { AlgorithmHost } from '@agent-lightning/core';
import type { AskModel } from '@agent-lightning/tracing';

/** The answer of a model, or the error of a model that gave none. */
export type Asked = { readonly answer: string } | { readonly error: unknown };

/**
 * Asks a model, or returns what it answered to the same request for the same purpose before: an answer is kept in the store before it is used.
 * An error of the model is returned; one of the store, such as an interruption, is thrown.
 */
export async function askOnce(
  host: Pick<AlgorithmHost, 'findResources' | 'putResources'>,
  ask: AskModel,
  purpose: string,
  request: string,
): Promise<Asked> {
  const digest = createHash('sha256')
    .update(JSON.stringify([purpose, request]))
    .digest('hex')
    .slice(0, 24);
  const kept = (await host.findResources(`answer-${digest}`))?.['answer'];
  if (kept?.type === 'json' && typeof kept.value === 'string') return { answer: kept.value };
  let answer: string;
  try {
    answer = await ask(request);
  } catch (error) {
    return { error };
  }
  await host.putResources(`answer-${digest}`, { answer: { type: 'json', value: answer } });
  return { answer };
}
