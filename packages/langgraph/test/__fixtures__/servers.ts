import { startModelServer, type ModelServer, type ModelServerOptions, type RecordedCall } from '@agent-lightning/testing';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { afterEach } from 'vitest';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** A scripted server that is closed after the test. Without a script it answers with the last message's text and the model's name. */
export async function startServer(respond: NonNullable<ModelServerOptions['respond']> = echo): Promise<ModelServer> {
  const server = await startModelServer({ respond });
  open.push(server);
  return server;
}

const echo: NonNullable<ModelServerOptions['respond']> = (request, call) => ({
  id: `chatcmpl-${globalThis.crypto.randomUUID()}`,
  content: `${String(request.model)} heard ${JSON.stringify(request.messages.at(-1)?.content)} #${call.index}`,
});

/** A model of the agent's own, which it was built with. */
export function chatModel(server: ModelServer, fields: ChatOpenAIFields = {}): ChatOpenAI {
  return new ChatOpenAI({ model: 'own-model', apiKey: 'own-key', maxRetries: 0, configuration: { baseURL: server.baseUrl }, ...fields });
}

export function modelOf(call: RecordedCall): unknown {
  return (call.body as { readonly model?: unknown }).model;
}
