/** A small text side that tests share: byte-pair tokens, a chat template, one end token. */
import { ChatTemplate, Tokenizer, trainBytePairTokenizer, type ModelText, type TokenizerJson } from '../src/index.ts';

export const template =
  '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}';

export const tokenizerJson: TokenizerJson = trainBytePairTokenizer({
  texts: ['How many students are there?', 'There are three students; the answer is three.', 'naïve 日本 🙂'],
  vocabularySize: 300,
  specialTokens: ['<|end|>', '<|user|>', '<|assistant|>'],
});

const tokenizer = new Tokenizer(tokenizerJson, {}, 'tiny text');

/** Fresh, so that a test may change it. */
export function tinyText(): ModelText {
  return {
    directory: '/models/tiny',
    tokenizer,
    chatTemplate: new ChatTemplate({ template, name: 'the tiny template' }, {}),
    eosTokenIds: [tokenizer.idOf('<|end|>') as number],
  };
}
