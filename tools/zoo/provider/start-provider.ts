import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readConversation, type Dialect, type ModelRequest } from './read-conversation.ts';
import { chooseReply, type Script } from './script.ts';
import { chatBody, chatEvents, type Event, type Writing } from './write-chat.ts';
import { messagesBody, messagesEvents } from './write-messages.ts';
import { responsesBody, responsesEvents } from './write-responses.ts';

/** A call that arrived. */
export interface ProviderCall {
  /** The first part of the path: who was asked, such as `own` or the policy of one rollout. */
  readonly place: string;
  readonly dialect: Dialect | 'embeddings';
  readonly agent: string;
  readonly mark: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: ModelRequest;
  /** The id of the reply; undefined for a failure and for embeddings. */
  readonly responseId: string | undefined;
}

/** The place that an app pays itself. */
export const ownPlace = 'own';

/** A model provider of OpenAI's and Anthropic's dialects, at any number of places: `http://…/<place>/v1`. */
export interface Provider {
  readonly origin: string;
  readonly calls: readonly ProviderCall[];
  /** Answers no call of a policy before `places` policies were called: so their rollouts are open at once. */
  holdUntil(places: number): void;
  close(): Promise<void>;
}

interface DialectForm {
  readonly dialect: Dialect;
  readonly idPrefix: string;
  readonly body: (writing: Writing) => unknown;
  readonly events: (writing: Writing) => readonly Event[];
}

const forms: Readonly<Record<string, DialectForm>> = {
  'chat/completions': { dialect: 'chat', idPrefix: 'chatcmpl-', body: chatBody, events: chatEvents },
  responses: { dialect: 'responses', idPrefix: 'resp_', body: responsesBody, events: responsesEvents },
  messages: { dialect: 'messages', idPrefix: 'msg_', body: messagesBody, events: messagesEvents },
};

/** Starts a provider whose models follow a script. */
export async function startProvider(script: Script): Promise<Provider> {
  const calls: ProviderCall[] = [];
  const failures = new Set<string>();
  const repeats = new Map<string, number>();
  let gate:
    | { readonly waiting: Set<string>; readonly places: number; readonly opened: PromiseWithResolvers<void> }
    | undefined;

  async function pass(place: string): Promise<void> {
    if (gate === undefined || place === ownPlace) return;
    gate.waiting.add(place);
    if (gate.waiting.size >= gate.places) gate.opened.resolve();
    await gate.opened.promise;
  }

  function takeFailure(key: string): boolean {
    const isFirst = !failures.has(key);
    failures.add(key);
    return isFirst;
  }

  /** The same request gets the same id in every run of the program; one that is repeated gets a number more. */
  function newId(text: string): string {
    const hash = createHash('sha1').update(text).digest('hex').slice(0, 12);
    const count = repeats.get(hash) ?? 0;
    repeats.set(hash, count + 1);
    return `zoo${hash}x${count}`;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, place = '', path = ''] = /^\/([^/]+)\/v1\/([^?]+)/.exec(request.url ?? '') ?? [];
    const text = await readText(request);
    const body = JSON.parse(text) as ModelRequest;
    const conversation = readConversation(body);
    const { agent, mark } = conversation;
    const seen = { place, agent, mark, headers: request.headers, body };
    if (path === 'embeddings') {
      calls.push({ ...seen, dialect: 'embeddings', responseId: undefined });
      return writeJson(response, 200, embeddingsBody(body));
    }
    const form = forms[path];
    if (form === undefined) return writeJson(response, 404, { error: { message: `no route ${request.url}` } });
    const reply = chooseReply(conversation, script[agent] ?? [], (index) =>
      takeFailure(`${place} ${agent} ${mark} ${index}`),
    );
    const id = newId(`${place} ${text}`);
    const isFailure = 'status' in reply;
    calls.push({ ...seen, dialect: form.dialect, responseId: isFailure ? undefined : `${form.idPrefix}${id}` });
    await pass(place);
    if (isFailure) return writeJson(response, reply.status, { error: { message: 'scripted', type: 'scripted' } });
    const writing = { request: body, reply, id };
    if (body.stream === true) writeEvents(response, form, writing);
    else writeJson(response, 200, form.body(writing));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) =>
      writeJson(response, 500, { error: { message: String(error) } }),
    );
  });
  // Node closes an idle connection after 5 s, also one that a client which was held up is about to use: its call then fails.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    holdUntil(places) {
      gate = { waiting: new Set(), places, opened: Promise.withResolvers<void>() };
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function embeddingsBody({ model, input = [] }: ModelRequest): unknown {
  const data = [input].flat().map((_text, index) => ({ object: 'embedding', index, embedding: [1, index] }));
  return { object: 'list', model, data, usage: { prompt_tokens: 1, total_tokens: 1 } };
}

function writeJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function writeEvents(response: ServerResponse, { dialect, events }: DialectForm, writing: Writing): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const { name, data } of events(writing))
    response.write(`${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`);
  response.end(dialect === 'chat' ? 'data: [DONE]\n\n' : undefined);
}
