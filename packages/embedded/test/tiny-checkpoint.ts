/** A random model small enough that a whole contract suite on it takes seconds. */
import { createCheckpoint, trainBytePairTokenizer, type CreateCheckpointOptions } from '../src/index.ts';

const corpus = [
  'How many products cost more than 10?',
  'SELECT count(*) FROM products WHERE price > 10;',
  'Which student is the oldest?',
  'SELECT name FROM students ORDER BY age DESC LIMIT 1;',
  'naïve café 日本 🙂',
];

/** The options of {@link createTinyCheckpoint}; tests change some. */
export function tinyCheckpointOptions(directory: string): CreateCheckpointOptions {
  return {
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
      texts: corpus,
      vocabularySize: 300,
      specialTokens: ['<|end|>', '<|user|>', '<|assistant|>'],
    }),
    chatTemplate:
      '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}',
    endTokens: ['<|end|>'],
    seed: 7,
  };
}

/** Writes a tiny model directory. */
export async function createTinyCheckpoint(directory: string): Promise<void> {
  await createCheckpoint(tinyCheckpointOptions(directory));
}
