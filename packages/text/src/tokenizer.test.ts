import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { trainBytePairTokenizer } from './byte-pair-training.ts';
import { IncrementalDecoder } from './incremental-decoder.ts';
import { Tokenizer, type TokenizerJson } from './tokenizer.ts';

const specialTokens = ['<|end|>', '<|user|>'];
const texts = ['SELECT name FROM products WHERE price > 10;', 'SELECT count(*) FROM students;', 'naïve café 日本 🙂🙂'];
const byteLevelJson = trainBytePairTokenizer({ texts, vocabularySize: 320, specialTokens });
const byteLevel = new Tokenizer(byteLevelJson, {}, 'byte level');
const metaspace = new Tokenizer(metaspaceJson(), {}, 'metaspace');

describe('Tokenizer', () => {
  it('gives any text back after encoding it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(byteLevel.decode(byteLevel.encode(text, false))).toBe(text);
      }),
    );
  });

  it('knows the longest text that a token stands for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(byteLevel, metaspace), (text, tokenizer) => {
        expect(text.length).toBeLessThanOrEqual(tokenizer.encode(text, false).length * tokenizer.longestToken);
      }),
    );
    expect(metaspace.longestToken).toBe('<0xFF>'.length);
  });

  it('turns written special tokens into their ids and leaves them out of decoded text', () => {
    const ids = byteLevel.encode('a<|end|>b', false);
    expect(ids[1]).toBe(byteLevel.idOf('<|end|>'));
    expect(byteLevel.decode(ids)).toBe('ab');
  });

  it('decodes nothing to nothing, and ids without a text to nothing', () => {
    expect(byteLevel.decode([])).toBe('');
    expect(byteLevel.decode([byteLevel.vocabularySize + 5])).toBe('');
  });

  it('spells tokens one by one, special ones too', () => {
    const ids = byteLevel.encode('a <|end|>b', false);
    expect(Array.from(ids, (id) => byteLevel.textOf(id)).join('')).toBe('a <|end|>b');
    expect(byteLevel.textOf(byteLevel.vocabularySize + 5)).toBe('');
  });

  it('loads a vocabulary that is longer than a list of arguments may be', () => {
    const vocab = Object.fromEntries(Array.from({ length: 200_000 }, (_, id) => [`t${id}`, id]));
    const json = { ...byteLevelJson, added_tokens: [], model: { type: 'BPE', vocab, merges: [] } };
    const large = new Tokenizer(json, {}, 'large');
    expect(large.vocabularySize).toBe(200_000);
    expect(large.decode([199_999])).toBe('t199999');
  });

  it('names a tokenizer that it does not support', () => {
    const wordPiece = { ...byteLevelJson, model: { type: 'WordPiece' } };
    expect(() => new Tokenizer(wordPiece, {}, './model')).toThrow(/model.type is "WordPiece"/);
    const ctc = { ...byteLevelJson, decoder: { type: 'CTC' } };
    expect(() => new Tokenizer(ctc, {}, './model')).toThrow(
      expect.objectContaining({ code: 'checkpoint-unsupported' }),
    );
  });
});

describe('trainBytePairTokenizer', () => {
  it('merges the most frequent pairs first and stops at the vocabulary size', () => {
    const json = trainBytePairTokenizer({
      texts: ['abab abab', 'ab'],
      vocabularySize: 259,
      specialTokens: ['<|end|>'],
    });
    expect((json['model'] as { merges: unknown }).merges).toEqual([
      ['a', 'b'],
      ['ab', 'ab'],
    ]);
    expect(new Tokenizer(json, {}, 'test').vocabularySize).toBe(259);
  });

  it('refuses a vocabulary that does not hold the bytes', () => {
    expect(() => trainBytePairTokenizer({ texts, vocabularySize: 100, specialTokens })).toThrow(
      /at least 258 are needed/,
    );
  });
});

describe.each([
  ['byte level', byteLevel],
  ['metaspace with byte fallback', metaspace],
] as const)('IncrementalDecoder on %s tokens', (_, tokenizer) => {
  it('gives pieces that make up the decoded text, for any tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabularySize + 2), { maxLength: 40 }), (tokens) => {
        const decoder = new IncrementalDecoder(tokenizer);
        const pieces = tokens.map((token) => decoder.push(token));
        expect(pieces.join('') + decoder.flush()).toBe(tokenizer.decode(tokens));
      }),
      { numRuns: 500 },
    );
  });

  it('decodes broken characters in work that grows with their number, and holds back one of them at most', () => {
    const byteTokens = Array.from({ length: 256 }, (_, byte) => byteTokenOf(tokenizer, byte));
    const work = (bytes: readonly number[]): number => {
      let decoded = 0;
      const counted = {
        hasText: (token: number) => tokenizer.hasText(token),
        decode: (tokens: ArrayLike<number>) => {
          decoded += tokens.length;
          return tokenizer.decode(tokens);
        },
      };
      const decoder = new IncrementalDecoder(counted);
      let shown = '';
      for (const [index, byte] of bytes.entries()) {
        shown += decoder.push(byteTokens[byte] as number);
        expect(shown.length).toBeGreaterThanOrEqual(index);
      }
      expect(shown + decoder.flush()).toBe('\uFFFD'.repeat(bytes.length));
      return decoded;
    };
    const ordinary = new IncrementalDecoder(tokenizer);
    const letter = byteTokens[97] as number;
    let ordinaryWork = 0;
    const watched = new IncrementalDecoder({
      hasText: () => true,
      decode: (tokens) => {
        ordinaryWork += tokens.length;
        return tokenizer.decode(tokens);
      },
    });
    for (let count = 0; count < 2048; count += 1) expect(watched.push(letter)).toBe(ordinary.push(letter));
    for (const broken of [[0x80], [0xff], [0xe6]]) {
      const bytes = Array.from({ length: 2048 }, (_, index) => broken[index % broken.length] as number);
      expect(work(bytes)).toBeLessThanOrEqual(5 * ordinaryWork);
    }
  });

  it('gives pieces that make up the decoded text, for any bytes', () => {
    const byteTokens = Array.from({ length: 256 }, (_, byte) => byteTokenOf(tokenizer, byte));
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.string({ unit: 'binary', maxLength: 3 }).map((text) => new TextEncoder().encode(text)),
      fc.constantFrom('🙂', '\uFEFF', '\uFFFD', '日本').map((text) => new TextEncoder().encode(text).subarray(0, -1)),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const tokens = parts.flatMap((part) => Array.from(part, (byte) => byteTokens[byte] as number));
        const decoder = new IncrementalDecoder(tokenizer);
        const shown = tokens.map((token) => decoder.push(token)).join('') + decoder.flush();
        expect(shown).toBe(tokenizer.decode(tokens));
      }),
      { numRuns: 500 },
    );
  });

  it('never emits half a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\uFFFD')),
        (text) => {
          const decoder = new IncrementalDecoder(tokenizer);
          for (const token of tokenizer.encode(text, false)) {
            const piece = decoder.push(token);
            expect(piece).not.toContain('\uFFFD');
            expect(piece.isWellFormed()).toBe(true);
          }
        },
      ),
    );
  });
});

/** Llama 2's make: a word mark instead of spaces, unknown characters as bytes, the leading space stripped. */
function metaspaceJson(): TokenizerJson {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '▁', 'a', 'b', '▁a', 'ab', '▁ab', 'é'];
  return {
    version: '1.0',
    added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({
      id,
      content,
      special: true,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      fuse_unk: true,
      dropout: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [
        ['▁', 'a'],
        ['a', 'b'],
        ['▁a', 'b'],
      ],
    },
  };
}

/** Returns the id of the token that stands for one byte. */
function byteTokenOf(tokenizer: Tokenizer, byte: number): number {
  const prints = (code: number): boolean =>
    (code >= 33 && code <= 126) || (code >= 161 && code <= 172) || (code >= 174 && code <= 255);
  const hidden = Array.from({ length: byte }, (_, code) => code).filter((code) => !prints(code)).length;
  const letter = String.fromCodePoint(prints(byte) ? byte : 256 + hidden);
  const id =
    tokenizer.idOf(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? (tokenizer.idOf(letter) as number);
  return id;
}
