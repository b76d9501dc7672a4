import type { Lease } from '@agent-lightning/core';
import { decodeArguments } from '@agent-lightning/store';
import type { Exchange } from '../http/exchange.ts';
import { RequestError } from '../http/request-error.ts';
import type { Route, RouteSet } from '../http/route.ts';
import type { KeyRing, NewKey } from '../keys/key-ring.ts';
import type { ServerLog } from '../server-log.ts';

/**
 * Serves the keys: `GET` and `POST /v1/keys`, `DELETE /v1/keys/<id>` for an admin, and `POST /v1/agent-keys`, with which a runner gets a key for
 * one attempt that it holds.
 */
export function keyRoutes(keys: KeyRing, log: ServerLog): RouteSet {
  const route = (roles: Route['roles'], answer: (exchange: Exchange) => Promise<void> | void): Route => ({
    roles,
    answer,
  });
  return ({ method, path }) => {
    if (path === '/v1/keys' && method === 'GET')
      return route([], (exchange) => exchange.json({ keys: keys.list().map(withoutHash) }));
    if (path === '/v1/keys' && method === 'POST') return route([], (exchange) => addKey(keys, log, exchange));
    if (path.startsWith('/v1/keys/') && method === 'DELETE')
      return route([], (exchange) => revokeKey(keys, log, exchange));
    if (path === '/v1/agent-keys' && method === 'POST')
      return route(['trainer', 'runner'], (exchange) => mintAgentKey(keys, exchange));
    return undefined;
  };
}

async function addKey(keys: KeyRing, log: ServerLog, exchange: Exchange): Promise<void> {
  const given = fieldsOf(await exchange.readJson(), ['role', 'label', 'expiresInMs']);
  const { key, id } = await keys.add(given as unknown as NewKey);
  log.write('info', 'key-added', { key_id: id, role: String(given['role']), by: exchange.caller.keyId });
  exchange.json({ id, key });
}

async function revokeKey(keys: KeyRing, log: ServerLog, exchange: Exchange): Promise<void> {
  const id = exchange.path.slice('/v1/keys/'.length); // hex digits: nothing to decode
  await keys.revoke(id);
  log.write('info', 'key-revoked', { key_id: id, by: exchange.caller.keyId });
  exchange.json({ id, revoked: true });
}

async function mintAgentKey(keys: KeyRing, exchange: Exchange): Promise<void> {
  const { lease, expiresInMs } = fieldsOf(await exchange.readJson(), ['lease', 'expiresInMs']);
  if (
    expiresInMs !== undefined &&
    !(typeof expiresInMs === 'number' && expiresInMs > 0 && Number.isFinite(expiresInMs))
  )
    throw new RequestError('expiresInMs must be a number of milliseconds above 0', { code: 'request-invalid' });
  const [checked] = decodeArguments('heartbeat', { lease }) as readonly [Lease];
  exchange.json({ key: keys.mintAgentKey(checked, expiresInMs) });
}

function fieldsOf(body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RequestError('the request body must be a JSON object', { code: 'request-invalid' });
  const unknown = Object.keys(body).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RequestError(`${unknown.slice(0, 80)} is no field here; there are ${known.join(', ')}`, {
      code: 'request-invalid',
    });
  return body as Readonly<Record<string, unknown>>;
}

/** Nobody needs the hash, and a list is easily shown. */
function withoutHash<Listed extends { readonly hash: string }>({
  hash: _hash,
  ...shown
}: Listed): Omit<Listed, 'hash'> {
  return shown;
}
