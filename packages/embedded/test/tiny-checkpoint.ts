import { tinyModel } from '@agent-lightning/testing';
import { createCheckpoint, trainBytePairTokenizer, type CreateCheckpointOptions } from '../src/index.ts';

/** The number of the tiny model's token ids. */
export const tinyVocabularySize: number = tinyModel.tokenizer.vocabularySize;

/** The options of {@link createTinyCheckpoint}; tests change some. */
export function tinyCheckpointOptions(directory: string): CreateCheckpointOptions {
  return { ...tinyModel, directory, tokenizer: trainBytePairTokenizer(tinyModel.tokenizer) };
}

/** Writes a tiny model directory. */
export async function createTinyCheckpoint(directory: string): Promise<void> {
  await createCheckpoint(tinyCheckpointOptions(directory));
}
