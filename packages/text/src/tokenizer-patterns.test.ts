import type { JsonValue } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { mayBacktrack } from './tokenizer-patterns.ts';

const split = (Regex: string): JsonValue => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
});

describe('mayBacktrack', () => {
  it('is false where a file has no regular expression, or known ones only', () => {
    expect([undefined, null, { type: 'ByteLevel', use_regex: true }].map(mayBacktrack)).toEqual([false, false, false]);
    expect(mayBacktrack({ type: 'Sequence', pretokenizers: [split(String.raw`\p{N}{1,3}`)] })).toBe(false);
    expect(mayBacktrack({ type: 'Split', pattern: { String: '(a+)+$' } })).toBe(false);
  });

  it('is true for any other, wherever it stands', () => {
    expect(mayBacktrack(split('^(a+)+$|b'))).toBe(true);
    const parts = [split(String.raw`\p{N}{1,3}`), split(String.raw`\p{N}{1,4}`)];
    expect(mayBacktrack({ type: 'Sequence', pretokenizers: parts })).toBe(true);
  });
});
