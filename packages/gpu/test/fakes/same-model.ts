/** The base model of a fake worker, for a fake vLLM that serves the same. */
import { BigramModel, freshState } from '../../../tinker/test/fakes/bigram-model.ts';

/** Returns what measures prompts as `startFakeTinker({ vocabularySize })` does with its default seed. */
export function measureAsWorker(vocabularySize: number): (tokens: readonly number[]) => readonly number[] {
  const model = new BigramModel(vocabularySize, freshState(vocabularySize, 1));
  return (tokens) => model.logprobs(tokens);
}
