import type { IncomingHttpHeaders } from 'node:http';
import { decodeAgentNames, gatewayHeaders, parseTraceParent } from '@agent-lightning/tracing';

/** The agent and span that made a call, as the adapter's headers tell. */
export interface Caller {
  /** Node and agent names, most specific first; empty when no adapter sent any. */
  readonly agentNames: readonly string[];
  readonly trace: ReturnType<typeof parseTraceParent>;
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/**
 * Reads the caller out of a request's headers. What cannot be read, such as a foreign trace context or names that no adapter writes,
 * counts as absent: a label is no reason to refuse a model call.
 */
export function readCaller(headers: IncomingHttpHeaders): Caller {
  return {
    agentNames: decodeAgentNames(header(headers, gatewayHeaders.agentNames) ?? '') ?? [],
    trace: parseTraceParent(header(headers, gatewayHeaders.traceParent) ?? ''),
  };
}
