import { parseChatRequest } from './chat/chat-request.ts';
import { parseCompletionRequest } from './completions/completion-request.ts';
import { messagesWire } from './messages/messages-wire.ts';
import { responsesWire } from './responses/responses-wire.ts';
import type { Wire } from './wire.ts';

const chatWire: Wire = {
  name: 'chat',
  parse: (body) => ({ request: parseChatRequest(body) }),
  errorBody: (error) => error.toWire(),
};

const completionsWire: Wire = {
  name: 'completions',
  parse: (body) => ({ request: parseCompletionRequest(body) }),
  errorBody: (error) => error.toWire(),
};

/** Every wire, by its path under `/v1`. */
export const wires: ReadonlyMap<string, Wire> = new Map([
  ['/chat/completions', chatWire],
  ['/completions', completionsWire],
  ['/responses', responsesWire],
  ['/messages', messagesWire],
]);

/** The wire whose errors a URL's caller understands. */
export function wireOf(url: string | undefined): Wire | undefined {
  const path = /\/v1(\/[^?]+)/u.exec(url ?? '')?.[1];
  return path === undefined ? undefined : wires.get(path);
}
