import { parseChatRequest } from './chat/chat-request.ts';
import { parseCompletionRequest } from './completions/completion-request.ts';
import { messagesDialect } from './messages/messages-dialect.ts';
import { responsesDialect } from './responses/responses-dialect.ts';
import type { Dialect } from './dialect.ts';

const chatDialect: Dialect = {
  name: 'chat',
  parse: (body) => ({ request: parseChatRequest(body) }),
  errorBody: (error) => error.toBody(),
};

const completionsDialect: Dialect = {
  name: 'completions',
  parse: (body) => ({ request: parseCompletionRequest(body) }),
  errorBody: (error) => error.toBody(),
};

/** Every dialect, by its path under `/v1`. */
export const dialects: ReadonlyMap<string, Dialect> = new Map([
  ['/chat/completions', chatDialect],
  ['/completions', completionsDialect],
  ['/responses', responsesDialect],
  ['/messages', messagesDialect],
]);

/**
 * Returns the path without the `/v1` before it. Some clients add `/v1` to their base URL and others do not, so that there may be none
 * or two where a base URL was meant for another client.
 */
export function pathAfterVersion(path: string): string {
  return path.replace(/^(?:\/v1(?=\/)){1,2}/u, '');
}

/** Returns the dialect whose errors the caller of a URL understands. */
export function findDialect(url: string | undefined): Dialect | undefined {
  const path = url?.replace(/[?#].*$/su, '') ?? '';
  for (const [end, dialect] of dialects) if (path.endsWith(end)) return dialect;
  return undefined;
}
