/**
 * Learns a byte-level byte-pair vocabulary from texts, for models that start from nothing.
 *
 * @source Sennrich et al., arXiv:1508.07909 (byte pairs); GPT-2's byte alphabet and word pattern
 */
import { check, ConfigurationError } from '@agent-lightning/core';

import type { TokenizerJson } from './tokenizer.ts';

export interface BytePairOptions {
  readonly texts: readonly string[];
  /** Tokens in the end: the special ones, 256 bytes, and merges; fewer only when the texts hold no more pairs. */
  readonly vocabularySize: number;
  /** Tokens that text never produces by chance and decoding leaves out, such as `<|im_end|>`; they get the first ids. */
  readonly specialTokens: readonly string[];
}

interface Word {
  symbols: string[];
  readonly count: number;
}

const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Learns a vocabulary and returns the content of a `tokenizer.json`. It is deterministic: the text of a pair decides ties. */
export function trainBytePairTokenizer(options: BytePairOptions): TokenizerJson {
  check.knownOptions('trainBytePairTokenizer', options, ['texts', 'vocabularySize', 'specialTokens']);
  const alphabet = byteAlphabet();
  const base = options.specialTokens.length + alphabet.length;
  if (!Number.isSafeInteger(options.vocabularySize) || options.vocabularySize < base) {
    throw new ConfigurationError(
      `vocabularySize is ${options.vocabularySize}; at least ${base} are needed for the bytes and special tokens.`,
      { code: 'option-invalid' },
    );
  }
  const tokens = [...options.specialTokens, ...alphabet.toSorted()];
  const words = countWords(options.texts, alphabet);
  const merges: string[][] = [];
  while (tokens.length < options.vocabularySize) {
    const pair = mostFrequentPair(words);
    if (pair === undefined) break;
    merges.push([...pair]);
    const merged = pair.join('');
    if (!tokens.includes(merged)) tokens.push(merged);
    for (const word of words) word.symbols = mergePair(word.symbols, pair);
  }
  return describeTokenizer(tokens, merges, options.specialTokens);
}

/** Returns a printable character for each byte, by byte value: itself where it prints, else the next above 255. */
function byteAlphabet(): readonly string[] {
  const prints = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++));
}

function countWords(texts: readonly string[], alphabet: readonly string[]): Word[] {
  const encoder = new TextEncoder();
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const word of text.match(wordPattern) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => ({
    count,
    symbols: Array.from(encoder.encode(word), (byte) => alphabet[byte] ?? ''),
  }));
}

function mostFrequentPair(words: readonly Word[]): readonly [string, string] | undefined {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i += 1) {
      const key = `${symbols[i - 1]} ${symbols[i]}`; // the alphabet has no space
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  let best: string | undefined;
  for (const [key, count] of counts) {
    const leader = best === undefined ? 0 : (counts.get(best) ?? 0);
    if (count > leader || (count === leader && best !== undefined && key < best)) best = key;
  }
  return best?.split(' ') as [string, string] | undefined;
}

function mergePair(symbols: readonly string[], [left, right]: readonly [string, string]): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i += 1) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i += 1;
    } else {
      merged.push(symbols[i] ?? '');
    }
  }
  return merged;
}

function describeTokenizer(
  tokens: readonly string[],
  merges: readonly string[][],
  specialTokens: readonly string[],
): TokenizerJson {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
