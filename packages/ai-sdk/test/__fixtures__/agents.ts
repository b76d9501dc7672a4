import { emitMessage, gatewayHeaders } from '@agent-lightning/tracing';
import {
  startModelServer,
  type ModelServer,
  type RecordedCall,
  type Responder,
  type ScriptedReply,
} from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { tool, type Tool } from 'ai';
import { afterEach } from 'vitest';
import { z } from 'zod';

globalThis.AI_SDK_LOG_WARNINGS = false;

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** A server that is closed after the test; its response ids are `{name}/{index of the call}`. */
export async function startServer(name: string, script?: Responder): Promise<ModelServer> {
  const respond: Responder = async (request, call) => {
    const reply = (await script?.(request, call)) ?? `${name} heard ${JSON.stringify(request.messages.at(-1)?.content)}`;
    return { id: `${name}/${call.index + 1}`, ...(typeof reply === 'string' ? { content: reply } : reply) };
  };
  const server = await startModelServer({ respond });
  open.push(server);
  return server;
}

/** A model of the agent's own. */
export function chatModel({ baseUrl }: ModelServer) {
  return createOpenAICompatible({ name: 'own', baseURL: baseUrl, apiKey: 'own-key' })('own-model');
}

/** A tool that says in the trace that it ran; the key `missing` makes it fail. */
export const lookup: Tool<{ key: string }, string> = tool({
  description: 'Looks a key up.',
  inputSchema: z.object({ key: z.string() }),
  execute: async ({ key }: { key: string }) => {
    emitMessage(`looking up ${key}`);
    if (key === 'missing') throw new RangeError('no such key');
    return Promise.resolve(`value of ${key}`);
  },
});

/** A reply that calls a tool with each of the arguments. */
export function callTool(name: string, ...calls: readonly Record<string, string>[]): ScriptedReply {
  return { toolCalls: calls.map((args, index) => ({ name, arguments: args, id: `call-${name}-${index}` })) };
}

/** Calls the tool on each conversation's first turn, and answers on the second. */
export function toolThenAnswer(...keys: readonly string[]): Responder {
  return ({ messages }) => (hasToolResult(messages) ? 'the answer' : callTool('lookup', ...keys.map((key) => ({ key }))));
}

export function hasToolResult(messages: readonly { readonly role: string }[]): boolean {
  return messages.some(({ role }) => role === 'tool');
}

/** The names that were sent with a call, most specific first. */
export function agentNamesOf(call: RecordedCall | undefined): unknown {
  return JSON.parse(decodeURIComponent(String(call?.headers[gatewayHeaders.agentNames])));
}

export function modelOf(call: RecordedCall | undefined): unknown {
  return (call?.body as { readonly model?: unknown } | undefined)?.model;
}
