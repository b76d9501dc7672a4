/** Rewrites tests that compare with a value, such as `x is divisibleby(2)`, which the parser does not have, as filters. */
import { findGroupEnd, isOpening, isWord, type Token } from './token.ts';

/** Begins the names of the filters that stand for tests. */
export const testPrefix = 'is ';

const literals: readonly string[] = ['StringLiteral', 'NumericLiteral'];
const endings: readonly string[] = ['and', 'or', 'else', 'if', 'is', 'in', 'not', 'recursive'];
const comparing: readonly string[] = 'divisibleby eq equalto ne gt greaterthan ge lt lessthan le in sameas'.split(' ');

/** Returns the tokens with `x is test(y)`, `x is test y` and their negations as filters; both bind alike. */
export function rewriteTests(tokens: readonly Token[]): Token[] {
  const rewritten: Token[] = [];
  let at = 0;
  while (at < tokens.length) {
    const token = tokens[at] as Token;
    const isNegated = isWord(tokens[at + 1], 'not');
    const name = at + (isNegated ? 2 : 1);
    if (!isWord(token, 'is') || !isWord(tokens[name], ...comparing)) {
      rewritten.push(token);
      at += 1;
      continue;
    }
    const end = findArgumentEnd(tokens, name + 1);
    const given = rewriteTests(tokens.slice(name + 1, end));
    const isGroup = tokens[name + 1]?.type === 'OpenParen' && findGroupEnd(tokens, name + 1) === end;
    const test = asFilter(`${testPrefix}${(tokens[name] as Token).value}`, isGroup ? given.slice(1, -1) : given);
    for (const part of test) rewritten.push(part);
    // A negated test is a filter whose answer a second one turns round.
    if (isNegated) for (const part of asFilter(`${testPrefix}false`, [])) rewritten.push(part);
    at = end;
  }
  return rewritten;
}

function asFilter(name: string, given: readonly Token[]): Token[] {
  return [make('Pipe', '|'), make('Identifier', name), make('OpenParen', '('), ...given, make('CloseParen', ')')];
}

function make(type: Token['type'], value: string): Token {
  return { type, value };
}

/** Returns the index behind the one value that follows a test: a literal, a name or a bracket, with fields, items and calls. */
function findArgumentEnd(tokens: readonly Token[], start: number): number {
  const first = tokens[start];
  if (first === undefined) return start;
  let at = start;
  if (isOpening(first)) at = findGroupEnd(tokens, start);
  else if (literals.includes(first.type) || (first.type === 'Identifier' && !endings.includes(first.value))) at += 1;
  while (at > start && at < tokens.length) {
    if (tokens[at]?.type === 'Dot') at += 2;
    else if (tokens[at]?.type === 'OpenParen' || tokens[at]?.type === 'OpenSquareBracket')
      at = findGroupEnd(tokens, at);
    else break;
  }
  return at;
}
