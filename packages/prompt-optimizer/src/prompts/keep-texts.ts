import type { AlgorithmHost } from '@agent-lightning/core';
import type { Texts } from '../candidates/candidate.ts';
import { toResources } from './prompt-set.ts';

/** Keeps texts under their id, once: the newest version of an id is always these texts. */
export async function keepTexts(
  host: Pick<AlgorithmHost, 'findResources' | 'putResources'>,
  id: string,
  texts: Texts,
): Promise<void> {
  if ((await host.findResources(id)) === undefined) await host.putResources(id, toResources(texts));
}
