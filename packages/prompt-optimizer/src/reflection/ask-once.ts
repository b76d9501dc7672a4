import { createHash } from 'node:crypto';
import type { AlgorithmHost } from '@agent-lightning/core';
import type { AskModel } from '@agent-lightning/tracing';

/** Asks a model, or returns what it answered to the same request for the same purpose before: an answer is kept in the store before it is used. */
export async function askOnce(
  host: Pick<AlgorithmHost, 'findResources' | 'putResources'>,
  ask: AskModel,
  purpose: string,
  request: string,
): Promise<string> {
  const digest = createHash('sha256')
    .update(JSON.stringify([purpose, request]))
    .digest('hex')
    .slice(0, 24);
  const kept = (await host.findResources(`answer-${digest}`))?.['answer'];
  if (kept?.type === 'json' && typeof kept.value === 'string') return kept.value;
  const answer = await ask(request);
  await host.putResources(`answer-${digest}`, { answer: { type: 'json', value: answer } });
  return answer;
}
