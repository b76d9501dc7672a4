import type { IncomingHttpHeaders } from 'node:http';
import { parseTraceParent, gatewayHeaders } from '@agent-lightning/tracing';
import { ReplyError } from '../http/reply-error.ts';

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

function namesOf(value: string | undefined): readonly string[] {
  if (value === undefined) return [];
  let names: unknown;
  try {
    names = JSON.parse(decodeURIComponent(value));
  } catch {
    names = undefined;
  }
  if (
    !Array.isArray(names) ||
    names.length > 32 ||
    !names.every((name) => typeof name === 'string' && name.length <= 200)
  ) {
    throw new ReplyError(
      `the header ${gatewayHeaders.agentNames} must be encodeURIComponent of a JSON list of at most 32 names`,
      { code: 'request-invalid', param: gatewayHeaders.agentNames },
    );
  }
  return names as string[];
}

/** Reads the caller out of a request's headers. @throws {ReplyError} `request-invalid` for an agent header that no adapter of ours writes */
export function readCaller(headers: IncomingHttpHeaders): Caller {
  // A foreign or malformed trace context is no reason to refuse a call.
  return {
    agentNames: namesOf(header(headers, gatewayHeaders.agentNames)),
    trace: parseTraceParent(header(headers, gatewayHeaders.traceParent) ?? ''),
  };
}
