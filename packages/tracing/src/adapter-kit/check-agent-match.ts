import { ConfigurationError, type AgentMatch } from '@agent-lightning/core';
import { describeValue } from '../writing/attribute-values.ts';

/** Checks an `agentMatch` that a user gave. @throws {ConfigurationError} `option-invalid` for what names no agent */
export function checkAgentMatch(given: unknown): AgentMatch {
  if (given instanceof RegExp) return given;
  const names: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw invalid(
      `agentMatch must be a regular expression such as /write|rewrite/, a whole name such as "write", or an array of whole names; got ${typeof given} ${describeValue(given)}`,
    );
  }
  for (const name of names as readonly string[]) refusePattern(name);
  return typeof given === 'string' ? given : Object.freeze([...(names as readonly string[])]);
}

/** Characters that patterns have and names of agents do not. */
const patternCharacters = /[|*+?^$()[\]{}\\]/;

/** Refuses a regular expression that was written as a text: as a whole name it would match no agent. */
function refusePattern(name: string): void {
  if (!patternCharacters.test(name)) return;
  throw invalid(
    `agentMatch ${JSON.stringify(name)} is a text, and a text is one whole name; write the regular expression ${String(asPattern(name))}, or, where an agent has this very name, ${String(exactly(name))}`,
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

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'option-invalid' });
}
