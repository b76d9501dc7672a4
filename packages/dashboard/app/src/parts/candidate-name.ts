import type { PromptCandidate } from '../../../src/prompts/shapes.ts';

/** Names a candidate by its place: ids are digests. */
export function nameOf({ id, step }: PromptCandidate, candidates: readonly PromptCandidate[]): string {
  return step === 0 ? 'the code' : `candidate ${candidates.findIndex((each) => each.id === id)}`;
}
