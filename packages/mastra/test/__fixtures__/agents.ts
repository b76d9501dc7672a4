import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { startModelServer, type ModelServer, type Responder } from '@agent-lightning/testing';
import { Agent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { afterEach } from 'vitest';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** A server that is closed after the test. Its response ids are `{name}-{index of the call}`. */
export async function startServer(name: string, script?: Responder): Promise<ModelServer> {
  const respond: Responder = async (request, call) => {
    const reply = (await script?.(request, call)) ?? `${name} says`;
    return { id: `${name}-${call.index}`, ...(typeof reply === 'string' ? { content: reply } : reply) };
  };
  const server = await startModelServer({ respond });
  open.push(server);
  return server;
}

export const modelAt = (server: ModelServer) =>
  createOpenAICompatible({ name: 'own', baseURL: server.baseUrl, apiKey: 'own-key' })('own-model') as never;

export function agentOf(id: string, model: unknown, more: object = {}): Agent {
  const agent = new Agent({ id, name: id, instructions: `You are ${id}.`, model: model as never, maxRetries: 0, ...more });
  agent.__setLogger(noopLogger);
  return agent;
}
