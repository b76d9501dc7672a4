import type { ErrorReply } from '../api.ts';
import { readQuery, type QueryFields, type QueryValues } from './query-fields.ts';

/** The answer of a route: a status and what is sent as JSON. */
export interface RouteReply {
  readonly status: number;
  readonly body: object;
}

/** A route that answers with JSON. */
export interface Route {
  /** The path, such as `/api/runs/:run`; a part with a colon is a name that is given to `answer`. */
  readonly path: string;
  readonly answer: (names: Readonly<Record<string, string>>, query: URLSearchParams) => Promise<RouteReply>;
}

/** Declares a route whose query has these fields. What `answer` returns is sent; undefined is answered with status 404. */
export function route<Fields extends QueryFields>(
  path: string,
  fields: Fields,
  answer: (names: Readonly<Record<string, string>>, query: QueryValues<Fields>) => Promise<object | undefined>,
): Route {
  return {
    path,
    answer: async (names, query) => {
      const read = readQuery(fields, query);
      if ('problem' in read)
        return { status: 400, body: errorReply('request-invalid', read.problem.message, read.problem.field) };
      const body = await answer(names, read.values);
      if (body !== undefined) return { status: 200, body };
      const field = Object.keys(names).at(-1) ?? 'path';
      const named = Object.entries(names).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
      return { status: 404, body: errorReply('not-found', `there is nothing at ${named.join(', ')}`, field) };
    },
  };
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
