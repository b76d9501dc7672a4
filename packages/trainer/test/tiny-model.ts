import { createCheckpoint, trainBytePairTokenizer } from '@agent-lightning/embedded';

/** Writes a random model of a few thousand weights, whose tokens are the bytes. */
export async function createTinyModel(directory: string): Promise<void> {
  await createCheckpoint({
    directory,
    config: {
      hiddenSize: 16,
      intermediateSize: 24,
      layers: 2,
      heads: 2,
      keyValueHeads: 1,
      headSize: 8,
      maxPositions: 64,
    },
    tokenizer: trainBytePairTokenizer({ texts: ['SELECT'], vocabularySize: 260, specialTokens: ['<|end|>'] }),
    chatTemplate: '{% for message in messages %}{{ message.content }}{% endfor %}',
    endTokens: ['<|end|>'],
    seed: 3,
  });
}
