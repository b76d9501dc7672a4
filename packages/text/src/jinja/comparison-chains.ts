/** Refuses chains of comparisons, such as `1 < x < 3`, which the parser reads as a comparison of a truth value. */
import { lackingError } from './template-error.ts';
import { isClosing, isOpening, isWord, type Token } from './token.ts';

const separators: readonly string[] = [
  'Comma',
  'Colon',
  'Equals',
  'OpenStatement',
  'CloseStatement',
  'OpenExpression',
  'CloseExpression',
];

/** Throws where two comparisons follow each other within the same brackets. @throws {BackendError} `checkpoint-unsupported` */
export function refuseChains(tokens: readonly Token[]): void {
  /** Of each open bracket, whether a comparison has been seen that another would chain to. */
  const seen = [false];
  let isLoopHead = false;
  for (const [at, token] of tokens.entries()) {
    const top = seen.length - 1;
    if (isOpening(token)) seen.push(false);
    else if (isClosing(token) && top > 0) seen.pop();
    else if (separators.includes(token.type) || isWord(token, 'and', 'or', 'if', 'else')) seen[top] = false;
    else if (isWord(token, 'for')) isLoopHead = true;
    else if (isWord(token, 'in') && isLoopHead) isLoopHead = false;
    else if (isComparison(token, tokens[at - 1])) {
      if (seen[top] === true) throw lackingError(`a chain of comparisons (at "${token.value}")`);
      seen[top] = true;
    }
  }
}

function isComparison(token: Token, before: Token | undefined): boolean {
  if (token.type === 'ComparisonBinaryOperator') return true;
  // `x is in y` and `x is not in y` are tests.
  return isWord(token, 'in') && !isWord(before, 'is');
}
