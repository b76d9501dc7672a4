import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError, LightningError } from '@agent-lightning/core';
import type { RunShelf } from '../runs/run-shelf.ts';
import { createRoutes } from './api-routes.ts';
import { streamEvents } from './event-stream.ts';
import { findWriteProblem, hasAdminKey, readBody } from './admin-key.ts';
import { errorReply, findRoute, type Route, type RouteReply } from './route.ts';
import { readApp, type StaticFile } from './static-files.ts';

/** A server that listens. */
export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

/** Headers of every reply: the pages load nothing from elsewhere, and nobody else shows or reads them. */
const safeHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/**
 * Serves the pages and their routes on the loopback.
 * @param adminKey the key of requests that write; undefined where none may
 * @throws {ConfigurationError} `option-invalid` for a port that is taken
 */
export async function serve(shelf: RunShelf, port: number, adminKey: string | undefined): Promise<Listening> {
  const app = readApp();
  const routes = createRoutes(shelf);
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(safeHeaders)) response.setHeader(name, value);
    answer(request, response, { app, routes, shelf, adminKey }).catch(() => response.destroy()); // not even the error could be sent
  });
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections(); // streams of events have no end of their own
      }),
  };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE'
          ? `port ${port} is in use; give another port, or 0 for any free one`
          : `cannot listen on 127.0.0.1:${port}: ${error.message}`;
      reject(new ConfigurationError(`dashboard: ${advice}`, { code: 'option-invalid', cause: error }));
    });
    server.listen({ port, host: '127.0.0.1' }, resolve);
  });
}

/** Characters that turn the direction of the text after them: with them, a text would look like another one. */
const turnsText = /[\u202A-\u202E\u2066-\u2069]/g;

interface Parts {
  readonly app: ReadonlyMap<string, StaticFile>;
  readonly routes: readonly Route[];
  readonly shelf: RunShelf;
  readonly adminKey: string | undefined;
}

async function answer(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  try {
    const problem = findProblem(request);
    if (problem !== undefined) return sendJson(response, problem.status, errorReply(problem.code, problem.message));
    const url = readAddress(request.url ?? '/');
    if (url === undefined)
      return sendJson(response, 400, errorReply('request-invalid', `${request.url} is no address`, 'path'));
    if (request.method === 'PUT') return await answerWrite(request, url, response, parts);
    await answerAt(request, url, response, parts);
  } catch (error) {
    if (response.headersSent) throw error;
    const code = LightningError.isInstance(error) ? error.code : 'unknown';
    sendJson(response, 500, errorReply(code, error instanceof Error ? error.message : String(error)));
  }
}

/** Reads the address of a request; undefined for one that is none, such as `//`. */
function readAddress(target: string): URL | undefined {
  return URL.parse(target, 'http://localhost') ?? undefined;
}

async function answerAt(
  request: IncomingMessage,
  { pathname, searchParams }: URL,
  response: ServerResponse,
  { app, routes, shelf, adminKey }: Parts,
): Promise<void> {
  if (pathname === '/api/events') return streamEvents(shelf, searchParams.get('run'), response);
  if (!pathname.startsWith('/api/')) return sendFile(response, app, pathname);
  if (pathname === '/api/access')
    return sendJson(response, 200, { canWrite: hasAdminKey(request, adminKey), hasKey: adminKey !== undefined });
  const found = findRoute(
    routes.filter(({ method }) => method === 'GET'),
    pathname,
  );
  if (found === undefined)
    return sendJson(response, 404, errorReply('not-found', `there is no route ${pathname}`, 'path'));
  await sendReply(response, await found.route.answer({ names: found.names, query: searchParams }));
}

/** Answers a request that writes: it needs the admin key. */
async function answerWrite(
  request: IncomingMessage,
  { pathname }: URL,
  response: ServerResponse,
  { routes, adminKey }: Parts,
): Promise<void> {
  const problem = findWriteProblem(request, adminKey);
  if (problem !== undefined) {
    request.resume(); // what was sent is not read
    return sendJson(response, problem.status, errorReply(problem.code, problem.message));
  }
  const found = findRoute(
    routes.filter(({ method }) => method === 'PUT'),
    pathname,
  );
  if (found === undefined)
    return sendJson(response, 404, errorReply('not-found', `nothing can be written at ${pathname}`, 'path'));
  let body: unknown;
  try {
    body = await readBody(request);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    return sendJson(response, 400, errorReply('request-invalid', error.message, 'body'));
  }
  await sendReply(response, await found.route.answer({ names: found.names, query: new URLSearchParams(), body }));
}

/** Finds a reason not to answer: a name that is not the loopback's (DNS rebinding), another site's page, a method that would write. */
function findProblem({
  headers,
  method,
}: IncomingMessage): { readonly status: number; readonly code: string; readonly message: string } | undefined {
  const host = (headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
  if (!['localhost', '127.0.0.1', '[::1]'].includes(host))
    return {
      status: 421,
      code: 'forbidden',
      message: `the dashboard is at localhost, and not at ${JSON.stringify(headers.host ?? '')}`,
    };
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate')
    return { status: 403, code: 'forbidden', message: 'the page of another site may not read the dashboard' };
  if (method !== 'GET' && method !== 'HEAD' && method !== 'PUT')
    return { status: 405, code: 'request-invalid', message: `the dashboard has nothing for ${method}` };
  return undefined;
}

async function sendReply(response: ServerResponse, reply: RouteReply): Promise<void> {
  if ('body' in reply) return sendJson(response, reply.status, reply.body);
  response.writeHead(200, { 'content-type': 'application/jsonl; charset=utf-8', 'cache-control': 'no-store' });
  for await (const line of reply.lines) response.write(`${JSON.stringify(line)}\n`);
  response.end();
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body).replaceAll(turnsText, '\uFFFD'); // before the head: what is not JSON is answered with an error
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(text);
}

/** Sends a file of the app; every other path is a page, which the app itself draws. */
function sendFile(response: ServerResponse, app: ReadonlyMap<string, StaticFile>, pathname: string): void {
  const file = app.get(pathname) ?? (pathname.startsWith('/assets/') ? undefined : app.get('/index.html'));
  if (file === undefined)
    return sendJson(response, 404, errorReply('not-found', `there is no file ${pathname}`, 'path'));
  response.writeHead(200, {
    'content-type': file.type,
    'cache-control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-store',
  });
  response.end(file.body);
}
