import { createCheckpoint } from '@agent-lightning/embedded';
import { tinyModel } from '@agent-lightning/testing';
import { trainBytePairTokenizer } from '@agent-lightning/text';

/** Ids are below this. */
export const tinyVocabularySize: number = tinyModel.tokenizer.vocabularySize;

/** Writes the tiny model, that a test trains, or takes the text side of. */
export async function createTinyModel(directory: string): Promise<void> {
  await createCheckpoint({ ...tinyModel, directory, tokenizer: trainBytePairTokenizer(tinyModel.tokenizer) });
}
