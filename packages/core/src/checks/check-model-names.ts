import { checkAgentMatch } from './check-agent-match.ts';
import { optionInvalid } from './option-invalid.ts';

/**
 * Checks names of models, whole or as patterns, that a user gave as the option `name`.
 * @throws {ConfigurationError} `option-invalid` for what names no model, and for a regular expression that was written as a text
 */
export function checkModelNames(name: string, given: readonly (string | RegExp)[]): readonly (string | RegExp)[] {
  if (!Array.isArray(given)) throw optionInvalid(name, given, "a list such as ['gpt-4o-mini', /./]");
  return Object.freeze(given.map((each: unknown, index) => checkModelName(`${name}[${index}]`, each)));
}

function checkModelName(name: string, given: unknown): string | RegExp {
  const isOne = typeof given === 'string' || given instanceof RegExp;
  const match = isOne ? checkAgentMatch(name, given) : undefined;
  if (typeof match === 'string' || match instanceof RegExp) return match;
  throw optionInvalid(name, given, 'a name such as "gpt-4o-mini", or a regular expression such as /^gpt-/');
}
