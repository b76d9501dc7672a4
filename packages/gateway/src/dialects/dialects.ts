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

/** Returns the dialect whose errors the caller of a URL understands. */
export function findDialect(url: string | undefined): Dialect | undefined {
  const path = /\/v1(\/[^?]+)/u.exec(url ?? '')?.[1];
  return path === undefined ? undefined : dialects.get(path);
}
