import { buildReply, chatCompletion, chatCompletionChunks } from './chat-dialect.ts';
import { textCompletion, textCompletionChunks } from './completion-dialect.ts';
import type { ChatRequest, ScriptedFault, ScriptedReply } from './scripted-reply.ts';
import type { ReplyParts } from './write-reply.ts';

export const chatRoute: Route = { path: '/v1/chat/completions', whole: chatCompletion, chunks: chatCompletionChunks };
export const completionRoute: Route = { path: '/v1/completions', whole: textCompletion, chunks: textCompletionChunks };

/** One route of the server, and the functions that write its replies. */
export interface Route {
  readonly path: string;
  readonly whole: typeof chatCompletion;
  readonly chunks: typeof chatCompletionChunks;
}

/** Returns a scripted reply as the bytes of its route, streamed or not. */
export function partsOf(route: Route, request: ChatRequest, reply: ScriptedReply, callIndex: number): ReplyParts {
  const built = buildReply(request, reply, callIndex);
  const rewrite = reply.rewrite ?? ((payload): Record<string, unknown> => payload);
  if (request.stream === true) {
    const events = route
      .chunks(request, reply, built)
      .map((chunk, index) => Buffer.from(`data: ${JSON.stringify(rewrite(chunk, index))}\n\n`));
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8', ...reply.headers },
      parts: [...events, Buffer.from('data: [DONE]\n\n')],
    };
  }
  const body = JSON.stringify(rewrite(route.whole(request, reply, built), 0));
  return { status: 200, headers: { 'content-type': 'application/json', ...reply.headers }, parts: quarters(body) };
}

function errorBody(status: number, message: string): string {
  const type = status === 429 ? 'rate_limit_exceeded' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return JSON.stringify({ error: { message, type, param: null, code: status } });
}

/** Returns an error as OpenAI shapes it, or as the fault says. */
export function statusReply(
  status: number,
  message: string,
  fault?: Extract<ScriptedFault, { type: 'status' }>,
): ReplyParts {
  const body = fault?.body ?? errorBody(status, message);
  return { status, headers: { 'content-type': 'application/json', ...fault?.headers }, parts: [Buffer.from(body)] };
}

function quarters(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const size = Math.max(1, Math.ceil(bytes.length / 4));
  return [0, 1, 2, 3]
    .map((index) => bytes.subarray(index * size, (index + 1) * size))
    .filter((part) => part.length > 0);
}
