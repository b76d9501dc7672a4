import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonValue } from '@agent-lightning/core';
import type { RecordedCall, RecordedRollout } from './recording.ts';
import { describeDifference, keyOf, type KeyedRequest } from './request-key.ts';

/** A model server on the loopback interface that gives the recorded answers of one rollout, each once, and knows no other. */
export class ReplayServer {
  readonly #recorded: RecordedRollout;
  readonly #ignored: readonly RegExp[];
  readonly #answers = new Map<string, RecordedCall[]>();
  readonly #server: Server;
  readonly #missing: string[] = [];
  #asked = 0;

  private constructor(recorded: RecordedRollout, ignored: readonly RegExp[]) {
    this.#recorded = recorded;
    this.#ignored = ignored;
    for (const call of recorded.calls) {
      const key = keyOf(call, ignored);
      this.#answers.set(key, [...(this.#answers.get(key) ?? []), call]);
    }
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(recorded: RecordedRollout, ignored: readonly RegExp[]): Promise<ReplayServer> {
    const server = new ReplayServer(recorded, ignored);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** Sentences on requests that were never recorded. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  /** The number of recorded answers that nobody asked for. */
  get unused(): number {
    return [...this.#answers.values()].reduce((sum, calls) => sum + calls.length, 0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const route = new URL(request.url ?? '/', 'http://localhost').pathname.replace(/^\/v1\//, '');
    const body = parseObject(Buffer.concat(pieces).toString());
    const asked = route === 'chat/completions' || route === 'completions' ? readRequest(body) : undefined;
    if (asked === undefined) return this.#refuse(response, `it asked for ${route}, which no recording holds`);
    this.#asked += 1;
    const found = this.#answers.get(keyOf(asked, this.#ignored))?.shift();
    if (found === undefined)
      return this.#refuse(
        response,
        `model call ${this.#asked} was never recorded: ${describeDifference(asked, this.#recorded.calls, this.#ignored)}`,
      );
    const model = String(body['model']);
    const isChat = route === 'chat/completions';
    if (body['stream'] === true) sendStream(response, model, found, isChat);
    else sendJson(response, 200, toReply(model, found, isChat));
  }

  /** Refuses with a status that no client tries again. */
  #refuse(response: ServerResponse, what: string): void {
    this.#missing.push(what);
    const message = `rollout ${this.#recorded.rolloutId}: ${what}`;
    sendJson(response, 400, { error: { message, type: 'invalid_request_error', code: 'not_recorded' } });
  }
}

type Body = Readonly<Record<string, unknown>>;

function parseObject(text: string): Body {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}

/** Returns a request as it is recorded: a prompt is a user's message. */
function readRequest(body: Body): KeyedRequest {
  const tools = (Array.isArray(body['tools']) ? body['tools'] : []) as readonly JsonValue[];
  if (Array.isArray(body['messages'])) return { messages: body['messages'] as readonly JsonValue[], tools };
  const { prompt } = body;
  const content = typeof prompt === 'string' ? prompt : JSON.stringify(prompt);
  return { messages: [{ role: 'user', content }], tools };
}

function usageOf({ inputTokens, outputTokens }: RecordedCall): Body {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

/** Returns the fields that each reply and each piece of one has. */
function headOf(model: string, object: string): Body {
  return { id: 'replayed', created: 0, model, object };
}

function toReply(model: string, call: RecordedCall, isChat: boolean): Body {
  const choices = call.choices.map(({ message, finishReason }, index) => ({
    index,
    finish_reason: finishReason,
    ...(isChat ? { message } : { text: message['content'] ?? '' }),
  }));
  return { ...headOf(model, isChat ? 'chat.completion' : 'text_completion'), choices, usage: usageOf(call) };
}

function sendStream(response: ServerResponse, model: string, call: RecordedCall, isChat: boolean): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (piece: Body): void => void response.write(`data: ${JSON.stringify(piece)}\n\n`);
  const head = headOf(model, isChat ? 'chat.completion.chunk' : 'text_completion');
  for (const [index, { message, finishReason }] of call.choices.entries()) {
    const text = isChat ? { delta: toDelta(message) } : { text: message['content'] ?? '' };
    send({ ...head, choices: [{ index, ...text, finish_reason: null }] });
    send({ ...head, choices: [{ index, ...(isChat ? { delta: {} } : { text: '' }), finish_reason: finishReason }] });
  }
  send({ ...head, choices: [], usage: usageOf(call) });
  response.end('data: [DONE]\n\n');
}

/** Returns a message as a piece of a stream, in which each tool call has its place. */
function toDelta(message: RecordedCall['choices'][number]['message']): Body {
  const calls = message['tool_calls'];
  if (!Array.isArray(calls)) return message;
  return { ...message, tool_calls: calls.map((call, index) => ({ index, ...(call as object) })) };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
