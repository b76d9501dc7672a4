/** Names the tokens of the template parser that code here looks at. */
import type { tokenize } from '@huggingface/jinja';

export type Token = ReturnType<typeof tokenize>[number];

/** Tells whether a token is one of these words. */
export function isWord(token: Token | undefined, ...words: readonly string[]): boolean {
  return token?.type === 'Identifier' && words.includes(token.value);
}

/** Tells whether a token opens a bracket. */
export function isOpening(token: Token | undefined): boolean {
  return ['OpenParen', 'OpenSquareBracket', 'OpenCurlyBracket'].includes(token?.type ?? '');
}

/** Tells whether a token closes a bracket. */
export function isClosing(token: Token | undefined): boolean {
  return ['CloseParen', 'CloseSquareBracket', 'CloseCurlyBracket'].includes(token?.type ?? '');
}

/** Returns where the bracket that opens at `start` is closed: the index behind it. */
export function findGroupEnd(tokens: readonly Token[], start: number): number {
  let depth = 0;
  for (let at = start; at < tokens.length; at += 1) {
    if (isOpening(tokens[at])) depth += 1;
    if (isClosing(tokens[at])) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return tokens.length;
}
