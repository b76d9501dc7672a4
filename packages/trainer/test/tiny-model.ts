import { createCheckpoint } from '@agent-lightning/embedded';
import { trainBytePairTokenizer } from '@agent-lightning/text';

/** Ids are below this. */
export const tinyVocabularySize = 300;

/** Writes a random model of a few thousand weights, that a test trains, or takes the text side of. */
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
      maxPositions: 96,
    },
    tokenizer: trainBytePairTokenizer({
      texts: [
        'How many products cost more than 10?',
        'SELECT count(*) FROM products WHERE price > 10;',
        'Which student is the oldest?',
        'SELECT name FROM students ORDER BY age DESC LIMIT 1;',
        'naïve café 日本 🙂',
      ],
      vocabularySize: tinyVocabularySize,
      specialTokens: ['<|end|>', '<|user|>', '<|assistant|>'],
    }),
    chatTemplate:
      '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}',
    endTokens: ['<|end|>'],
    seed: 7,
  });
}
