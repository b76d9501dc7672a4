/** Describes the model that the tests of backends train: a random one of a few thousand weights, on which a whole contract suite takes seconds. */

/** The data that a checkpoint of a tiny model is made from, in any format. The same seed gives the same weights. */
export const tinyModel = {
  config: {
    hiddenSize: 16,
    intermediateSize: 24,
    layers: 2,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    maxPositions: 96,
  },
  /** The texts that a byte-pair tokenizer is trained on. */
  tokenizer: {
    texts: [
      'How many products cost more than 10?',
      'SELECT count(*) FROM products WHERE price > 10;',
      'Which student is the oldest?',
      'SELECT name FROM students ORDER BY age DESC LIMIT 1;',
      'naïve café 日本 🙂',
    ],
    /** The number of token ids. */
    vocabularySize: 300,
    specialTokens: ['<|end|>', '<|user|>', '<|assistant|>'],
  },
  chatTemplate:
    '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}',
  endTokens: ['<|end|>'],
  seed: 7,
} as const;
