import type { IncomingHttpHeaders } from 'node:http';
import { decodeAgentNames, gatewayHeaders, parseTraceParent } from '@agent-lightning/tracing';

/** The agent and span that made a call, as the adapter's headers tell. */
export interface Caller {
  /** Node and agent names, most specific first; empty for a caller that nothing names. */
  readonly agentNames: readonly string[];
  readonly trace: ReturnType<typeof parseTraceParent>;
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

const longestName = 1_000;

/** Returns the beginning of a text that names a caller, without halves of characters. */
export function toCallerName(text: string): string {
  return text.slice(0, longestName).toWellFormed();
}

/** A name as a person writes it into a header, which holds no more than ASCII. */
const plainName = /^[\w][\w .:/@+-]{0,199}$/u;

/** Returns the names in a header: the list that adapters write, or one plain name. */
function readNames(value: string): readonly string[] {
  return decodeAgentNames(value) ?? (plainName.test(value) ? [value] : []);
}

/**
 * Reads the caller out of a request's headers. What cannot be read, such as a foreign trace context or names that nobody writes,
 * counts as absent: a label is no reason to refuse a model call.
 *
 * @param pathName the name in the path of the call, which comes before those of the headers
 */
export function readCaller(headers: IncomingHttpHeaders, pathName?: string): Caller {
  const names = readNames(header(headers, gatewayHeaders.agentNames) ?? '');
  return {
    agentNames: pathName === undefined ? names : [pathName, ...names.filter((name) => name !== pathName)],
    trace: parseTraceParent(header(headers, gatewayHeaders.traceParent) ?? ''),
  };
}
