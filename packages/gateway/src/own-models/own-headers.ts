import type { IncomingHttpHeaders } from 'node:http';
import { gatewayHeaders } from '@agent-lightning/tracing';
import type { HttpReply } from '../upstream/http-exchange.ts';
import type { KnownServer } from '../policies/own-models.ts';
import { hideInHeader } from '../reply-reader/hide-key.ts';

/** Headers that are about one connection, or about a body that is sent anew. */
const ofConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
];
/** Headers of a request that its server does not get as they are: the attempt's key, what is ours, and the form of the body. */
const replaced: ReadonlySet<string> = new Set([
  ...ofConnection,
  'authorization',
  'x-api-key',
  'cookie',
  'content-length',
  'content-encoding',
  'accept-encoding',
  ...Object.values(gatewayHeaders),
]);
const leftOut: ReadonlySet<string> = new Set(ofConnection);

/** Returns the headers of an agent's request for its server: with the server's key in the place of the attempt's. */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  { maker, apiKey }: KnownServer,
): Readonly<Record<string, string>> {
  const own = Object.entries(headers).flatMap(([name, value]) =>
    replaced.has(name) || value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
  );
  const key =
    apiKey === undefined ? {} : maker === 'anthropic' ? { 'x-api-key': apiKey } : { authorization: `Bearer ${apiKey}` };
  // The reply is read on its way, so it must come plain.
  return { ...Object.fromEntries(own), ...key, 'accept-encoding': 'identity' };
}

/** Returns the headers of a server's reply for the agent, without the key if the server repeats it. */
export function replyHeaders(
  { headers }: HttpReply,
  { apiKey }: KnownServer,
): Readonly<Record<string, string | string[]>> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const hide = (text: string): string => hideInHeader(name, text, apiKey);
      if (leftOut.has(name.toLowerCase()) || value === undefined) return [];
      return [[name, Array.isArray(value) ? value.map(hide) : hide(value)] as const];
    }),
  );
}
