import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

export interface ResponsesServer {
  readonly baseUrl: string;
  readonly calls: { readonly path: string; readonly model: unknown; readonly authorization: string | undefined }[];
}

/** A server that answers every call of the Responses dialect with `text`, whole or as a stream. */
export async function startResponsesServer(text: string, id: string): Promise<ResponsesServer> {
  const calls: ResponsesServer['calls'] = [];
  const server = createServer(async (request, reply) => {
    let body = '';
    for await (const part of request) body += String(part);
    const { model, stream } = JSON.parse(body) as { readonly model: string; readonly stream?: boolean };
    calls.push({ path: request.url ?? '', model, authorization: request.headers.authorization });
    const response = responseObject(id, model, text);
    if (stream !== true) return void reply.setHeader('content-type', 'application/json').end(JSON.stringify(response));
    const events = [
      { type: 'response.created', sequence_number: 0, response: { ...response, status: 'in_progress', output: [] } },
      { type: 'response.completed', sequence_number: 1, response },
    ];
    reply.setHeader('content-type', 'text/event-stream');
    reply.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => void server.close(() => resolve())) });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, calls };
}

function responseObject(id: string, model: string, text: string): object {
  const content = [{ type: 'output_text', text, annotations: [] }];
  return {
    id,
    object: 'response',
    created_at: 1,
    model,
    status: 'completed',
    output: [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }],
    usage: {
      input_tokens: 3,
      output_tokens: 2,
      total_tokens: 5,
      input_tokens_details: { cached_tokens: 1 },
      output_tokens_details: { reasoning_tokens: 0 },
    },
  };
}
