import type { IncomingMessage, ServerResponse } from 'node:http';

/** Tells whether a page of another address is allowed; `*` allows every page. */
function isAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes('*') || allowed.includes(origin);
}

/** Tells whether a request comes from a page of another address that may not ask it: reading is harmless, since such a page cannot see the answer. */
export function isForeignChange(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || request.method === 'GET' || request.method === 'HEAD') return false;
  const isOwn = URL.canParse(origin) && new URL(origin).host === host;
  return !isOwn && !isAllowed(origin, allowed);
}

/** Lets the pages of allowed addresses see the answer; answers what a browser asks before it sends a request, and returns true then. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, allowed: readonly string[]): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !isAllowed(origin, allowed)) return false;
  const isListed = allowed.includes(origin);
  response.setHeader('access-control-allow-origin', isListed ? origin : '*');
  response.setHeader('vary', 'origin');
  // Never for every page: any site could then use what a browser remembers of this server.
  if (isListed) response.setHeader('access-control-allow-credentials', 'true');
  const method = request.headers['access-control-request-method'];
  if (request.method !== 'OPTIONS' || method === undefined) return false;
  response
    .writeHead(200, {
      'access-control-allow-methods': 'GET, POST, PUT, DELETE',
      'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
      'access-control-max-age': '600',
      'content-length': '0',
    })
    .end();
  return true;
}
