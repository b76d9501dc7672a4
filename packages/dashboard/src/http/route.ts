import { LightningError } from '@agent-lightning/core';
import type { ErrorReply } from '../api.ts';
import { readQuery, type QueryFields, type QueryValues } from './query-fields.ts';

/** The answer of a route: a status and what is sent as JSON, or values that are sent as JSON Lines. */
export type RouteReply =
  | { readonly status: number; readonly body: object }
  | { readonly status: 200; readonly lines: AsyncIterable<object> };

/** The names in a path, such as that of the run. */
type Names = Readonly<Record<string, string>>;

/** A request as a route sees it. */
export interface RouteRequest {
  readonly names: Names;
  readonly query: URLSearchParams;
  /** The JSON of a request that writes; undefined for one that reads. */
  readonly body?: unknown;
}

/** A route that answers with JSON. */
export interface Route {
  /** The path, such as `/api/runs/:run`; a part with a colon is a name that is given to `answer`. */
  readonly path: string;
  /** The method: a route with `PUT` writes, and asks for the admin key. */
  readonly method: 'GET' | 'PUT';
  readonly answer: (request: RouteRequest) => Promise<RouteReply>;
}

/** Declares a route whose query has these fields. What `answer` returns is sent; undefined is answered with status 404. */
export function route<Fields extends QueryFields>(
  path: string,
  fields: Fields,
  answer: (names: Names, query: QueryValues<Fields>) => Promise<object | undefined>,
): Route {
  return {
    path,
    method: 'GET',
    answer: async ({ names, query }) => {
      const read = readQuery(fields, query);
      if ('problem' in read)
        return { status: 400, body: errorReply('request-invalid', read.problem.message, read.problem.field) };
      const body = await answer(names, read.values);
      return body === undefined ? notFound(names) : { status: 200, body };
    },
  };
}

/** Declares a route that sends what `answer` yields as JSON Lines. */
export function lines(path: string, answer: (names: Names) => Promise<AsyncIterable<object> | undefined>): Route {
  return {
    path,
    method: 'GET',
    answer: async ({ names, query }) => {
      const read = readQuery({}, query);
      if ('problem' in read)
        return { status: 400, body: errorReply('request-invalid', read.problem.message, read.problem.field) };
      const found = await answer(names);
      return found === undefined ? notFound(names) : { status: 200, lines: found };
    },
  };
}

/** Declares a route that writes what the body of a request says; an error of what it says is answered with status 400. */
export function write(path: string, answer: (names: Names, body: unknown) => Promise<object | undefined>): Route {
  return {
    path,
    method: 'PUT',
    answer: async ({ names, body: given }) => {
      try {
        const body = await answer(names, given);
        return body === undefined ? notFound(names) : { status: 200, body };
      } catch (error) {
        if (!LightningError.isInstance(error) || error.code !== 'option-invalid') throw error;
        return { status: 400, body: errorReply('request-invalid', error.message, 'body') };
      }
    },
  };
}

function notFound(names: Names): RouteReply {
  const field = Object.keys(names).at(-1) ?? 'path';
  const named = Object.entries(names).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return { status: 404, body: errorReply('not-found', `there is nothing at ${named.join(', ')}`, field) };
}

export function errorReply(code: string, message: string, field?: string): ErrorReply {
  return { error: { code, message, ...(field !== undefined && { field }) } };
}

/** Finds the route of a path and the names in it; undefined where there is none. */
export function findRoute<Kind extends { readonly path: string }>(
  routes: readonly Kind[],
  pathname: string,
): { readonly route: Kind; readonly names: Readonly<Record<string, string>> } | undefined {
  const parts = pathname.split('/');
  for (const each of routes) {
    const pattern = each.path.split('/');
    if (pattern.length !== parts.length) continue;
    if (!pattern.every((part, index) => part.startsWith(':') || part === parts[index])) continue;
    const names = pattern.flatMap((part, index) =>
      part.startsWith(':') ? [[part.slice(1), decodeName(parts[index]!)] as const] : [],
    );
    return { route: each, names: Object.fromEntries(names) };
  }
  return undefined;
}

/** Decodes a part of a path; one that is no valid encoding stays as it is, and names nothing. */
function decodeName(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
