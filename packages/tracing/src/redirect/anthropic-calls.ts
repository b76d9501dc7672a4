import type { LlmEndpoint } from '@agent-lightning/core';

/** Returns an endpoint's base URL for the clients of Anthropic, which add `/v1` themselves. */
export function anthropicBaseUrl({ baseUrl }: Pick<LlmEndpoint, 'baseUrl'>): string {
  return baseUrl.replace(/\/v1$/, '');
}

/** The header that every client of Anthropic sends. Other services take messages at such a path too, such as those of a chat. */
export const anthropicHeader = 'anthropic-version';

/** Looks for a header, by its name in lower case, in the forms that fetch, undici and HTTP/2 take. */
export function hasHeader(headers: unknown, name: string): boolean {
  if (headers instanceof Headers) return headers.has(name);
  if (typeof headers === 'string') return new RegExp(`^${name}:`, 'im').test(headers);
  const given = isIterable(headers) ? [...headers] : Object.entries(headers ?? {});
  return given.some((entry) => String(Array.isArray(entry) ? entry[0] : entry).toLowerCase() === name);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] === 'function';
}
