import { ConfigurationError } from '../errors.ts';
import type { AgentMatch } from '../vocabulary/agent-match.ts';
import { optionInvalid } from './option-invalid.ts';

/**
 * Checks an `agentMatch` that a user gave as the option `name`.
 * @throws {ConfigurationError} `option-invalid` for what names no agent, and for a regular expression that was written as a text
 */
export function checkAgentMatch(name: string, given: unknown): AgentMatch {
  if (given instanceof RegExp) return given;
  const names: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw optionInvalid(
      name,
      typeof given === 'string' ? JSON.stringify(given) : given,
      'a regular expression such as /write|rewrite/, a whole name such as "write", or an array of whole names',
    );
  }
  for (const text of names as readonly string[]) rejectPattern(name, text);
  return typeof given === 'string' ? given : Object.freeze([...(names as readonly string[])]);
}

/** Characters that patterns have and names of agents do not. */
const patternCharacters = /[|*+?^$()[\]{}\\]/;

/** Rejects a regular expression that was written as a text: as a whole name it would match no agent. */
function rejectPattern(name: string, text: string): void {
  if (!patternCharacters.test(text)) return;
  throw new ConfigurationError(
    `${name} ${JSON.stringify(text)} is a text, and a text is one whole name; write the regular expression ${String(asPattern(text))}, or, where an agent has this very name, ${String(exactly(text))}`,
    { code: 'option-invalid' },
  );
}

function asPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    return exactly(text); // no regular expression either, such as "write(": then the name itself is meant
  }
}

function exactly(name: string): RegExp {
  return new RegExp(`^${name.replaceAll(/[|*+?^$()[\]{}\\./]/g, '\\$&')}$`);
}
