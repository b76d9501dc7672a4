import type { ClaimedCall } from './fetch-redirect.ts';
import { promptBytes } from './prompted-call.ts';
import { redirectCall } from './redirected-call.ts';

// What Node's fetch and undici share: https://undici.nodejs.org/#/docs/api/Dispatcher
interface DispatchOptions {
  readonly origin?: string | URL;
  readonly path: string;
  readonly method: string;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
}

/** A model may think for longer than the 300 s that Node waits for a reply's head, and for each piece; the gateway bounds its calls itself. */
const noTimeLimits = { headersTimeout: 0, bodyTimeout: 0 };

interface Handler {
  onConnect?(abort: (reason?: unknown) => void, ...rest: unknown[]): unknown;
  onRequestStart?(controller: { abort(reason?: unknown): void }, ...rest: unknown[]): unknown;
  onError?(error: unknown): void;
  onResponseError?(controller: unknown, error: unknown): void;
}

type Dispatch = (options: DispatchOptions, handler: Handler) => boolean;

interface Dispatcher {
  compose(interceptor: (dispatch: Dispatch) => Dispatch): Dispatcher;
}

const keys: readonly symbol[] = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map((key) =>
  Symbol.for(key),
);
const globals = globalThis as unknown as Record<symbol, Dispatcher | undefined>;

/**
 * Redirects the calls of clients that kept Node's own `fetch` from before the redirect, in the dispatchers that this `fetch` sends
 * through, and takes Node's time limits from all calls to the endpoint. Calls that are not selected are left alone. Returns what takes it away.
 */
export function interceptDispatchers(
  claim: (url: string, method: string, headers: unknown) => ClaimedCall | undefined,
): () => void {
  void globalThis.Headers; // makes Node load its fetch, and so its dispatchers
  let isActive = true;
  const intercept =
    (dispatch: Dispatch): Dispatch =>
    (options, handler) => {
      const url = `${String(options.origin ?? '').replace(/\/$/, '')}${options.path}`;
      const claimed = isActive ? claim(url, options.method, options.headers) : undefined;
      if (claimed === undefined) return dispatch(options, handler);
      if (claimed.isAimed && claimed.prompts === undefined) return dispatch({ ...options, ...noTimeLimits }, handler);
      const changed = claimed.isAimed || claimed.llm === undefined ? promptDispatch : redirectDispatch;
      changed(url, options, claimed)
        .then(([redirected, signal]) => dispatch(redirected, signal ? abortWith(handler, signal) : handler))
        .catch((error: unknown) => failCall(handler, error));
      return true;
    };
  const restores = keys.map((key) => replaceDispatcher(key, intercept));
  return () => {
    isActive = false;
    for (const restore of restores) restore();
  };
}

function replaceDispatcher(key: symbol, intercept: (dispatch: Dispatch) => Dispatch): () => void {
  const original = globals[key];
  if (typeof original?.compose !== 'function') return () => undefined; // another runtime than Node
  const composed = original.compose(intercept);
  globals[key] = composed;
  return () => {
    if (globals[key] === composed) globals[key] = original;
  };
}

type Dispatched = readonly [DispatchOptions, AbortSignal?];

/** Returns a call to where it was aimed, with other texts in its body; its own bytes and headers where they stay. */
async function promptDispatch(
  _url: string,
  options: DispatchOptions,
  { prompts, llm }: ClaimedCall,
): Promise<Dispatched> {
  const given = await readBody(options.body);
  const body = prompts && given ? promptBytes(prompts, given) : undefined;
  const limits = llm === undefined ? {} : noTimeLimits;
  if (body === undefined) return [{ ...options, body: given, ...limits }];
  const headers = readHeaders(options.headers);
  headers.delete('content-length');
  return [{ ...options, body, headers: Object.fromEntries(headers), ...limits }];
}

async function redirectDispatch(
  url: string,
  options: DispatchOptions,
  { path, llm, place, prompts }: ClaimedCall,
): Promise<Dispatched> {
  const headers = readHeaders(options.headers);
  const given = await readBody(options.body);
  const body = prompts && given ? (promptBytes(prompts, given) ?? given) : given;
  const [target, init] = await redirectCall([url, { method: 'POST', headers, body }], path, llm!, place);
  const { origin, pathname, search } = new URL(String(target));
  const redirected = { origin, path: `${pathname}${search}`, body: init?.body, ...noTimeLimits };
  return [{ ...options, ...redirected, headers: Object.fromEntries(new Headers(init?.headers)) }, place.signal];
}

/** Reads the bytes of a request's body: fetch gives its pieces, undici also text or bytes. */
async function readBody(body: unknown): Promise<Uint8Array<ArrayBuffer> | null> {
  if (body === null || body === undefined) return null;
  const response = new Response(body as ConstructorParameters<typeof Response>[0]);
  return new Uint8Array(await response.arrayBuffer());
}

/** Reads the headers of a call in the forms that undici takes: an object, pairs, a flat list of names and values, or lines of text. */
function readHeaders(given: unknown): Headers {
  const lines = typeof given === 'string' ? given.matchAll(/^([^:\s]+):[ \t]*(.*?)\r?$/gm) : [];
  const pairs =
    given !== null && typeof given === 'object'
      ? pairHeaders(given)
      : Array.from(lines, ([, name, value]) => [name!, value] as const);
  const headers = new Headers();
  for (const [name, value] of pairs)
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined && each !== null) headers.append(name, String(each));
  return headers;
}

function pairHeaders(given: object): readonly (readonly [string, unknown])[] {
  if (!(Symbol.iterator in given)) return Object.entries(given);
  const list = [...(given as Iterable<unknown>)];
  if (Array.isArray(list[0])) return list as [string, unknown][];
  return list.flatMap((name, index) => (index % 2 === 0 ? [[String(name), list[index + 1]] as const] : []));
}

/** Returns the handler of a call that ends with the attempt, too. */
function abortWith(handler: Handler, signal: AbortSignal): Handler {
  const follow = (abort: (reason?: unknown) => void): void => {
    if (signal.aborted) abort(signal.reason);
    else signal.addEventListener('abort', () => abort(signal.reason), { once: true });
  };
  const members: Handler = {
    onConnect: (abort, ...rest) => (follow(abort), handler.onConnect?.(abort, ...rest)),
    onRequestStart: (controller, ...rest) => (
      follow((reason) => controller.abort(reason)),
      handler.onRequestStart?.(controller, ...rest)
    ),
  };
  return new Proxy(handler, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return Object.hasOwn(members, key) ? Reflect.get(members, key) : (value.bind(target) as unknown);
    },
  });
}

function failCall(handler: Handler, error: unknown): void {
  if (handler.onError === undefined) handler.onResponseError?.(undefined, error);
  else handler.onError(error);
}
