import type { RouteSet } from '../http/route.ts';

/** Serves `GET /health`, which needs no key: `ok`, or 503 and `draining` once the server was told to end. */
export function healthRoute(draining: AbortSignal): RouteSet {
  return ({ method, path }) =>
    path !== '/health' || (method !== 'GET' && method !== 'HEAD')
      ? undefined
      : {
          roles: 'everyone',
          answer: (exchange) =>
            exchange.json({ status: draining.aborted ? 'draining' : 'ok' }, draining.aborted ? 503 : 200),
        };
}
