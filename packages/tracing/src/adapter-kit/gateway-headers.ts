import { shortenName } from '../writing/shorten-name.ts';

/** Request headers with which an adapter tells the gateway who is calling; the gateway strips them before any upstream sees them. */
export const gatewayHeaders = {
  /** The caller's node and agent names, most specific first, as `encodeAgentNames` writes them. */
  agentNames: 'x-lightning-agent',
  /** W3C trace context: the gateway's span becomes a child of the framework's. */
  traceParent: 'traceparent',
} as const;

/** The most names of one caller. */
const maxNames = 32;
/** The longest name that is sent whole, and how long a longer one stays, in characters; the shorter where there are many long ones. */
const nameLimits = [1_000, 200, 60] as const;
/** The longest header, in bytes: servers and proxies take 8 KiB for one, and the request has others. */
const maxHeaderBytes = 6_000;

/**
 * Writes an agent's names, most specific first, as the value of the header `gatewayHeaders.agentNames`: `encodeURIComponent` of a JSON
 * list, at most 6,000 bytes. Names that do not fit are shortened in their middle; of too many the least specific are left out.
 */
export function encodeAgentNames(names: readonly string[]): string {
  let kept = names.slice(0, maxNames);
  for (const limit of nameLimits) {
    const text = encode(kept, limit);
    if (text.length <= maxHeaderBytes) return text;
  }
  const shortest = nameLimits.at(-1)!;
  while (encode(kept, shortest).length > maxHeaderBytes) kept = kept.slice(0, -1);
  return encode(kept, shortest);
}

function encode(names: readonly string[], limit: number): string {
  return encodeURIComponent(JSON.stringify(names.map((name) => shortenName(name, limit))));
}

/**
 * Reads the names that a request's header holds, as the other side of `encodeAgentNames`, and keeps to its limits. Returns undefined for
 * a header that holds no JSON list of texts: a label is no reason to refuse a model call.
 */
export function decodeAgentNames(header: string): readonly string[] | undefined {
  if (header === '') return undefined; // as in most calls without an adapter, each of which would pay for an exception
  let names: unknown;
  try {
    names = JSON.parse(decodeURIComponent(header));
  } catch {
    return undefined;
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) return undefined;
  return names.slice(0, maxNames).map((name: string) => shortenName(name, nameLimits[0]));
}
