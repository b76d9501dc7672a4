import { join } from 'node:path';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { AdapterUnderTest, AgentSpec, BuildRequest } from '@agent-lightning/testing';
import { Agent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import { withLightning } from '../../src/index.ts';
import { createWatchers } from './watch.ts';

/** Mastra, as the contract of adapters needs it. */
export const adapter: AdapterUnderTest<Agent> = {
  unsupported: { handoff: 'an agent of Mastra calls sub-agents as tools and stays in charge' },
  returns: 'the same agent',
  earlyApp: {
    file: join(import.meta.dirname, 'early-client.ts'),
    nodeArguments: ['--conditions=@agent-lightning/source'],
  },
  build: (request) => buildAgent(request, request.agent),
  wrap: withLightning,
  watch(request) {
    const { wrapModel, options, register, heard, stop } = createWatchers();
    const agent = buildAgent(request, request.agent, (model) => ({ ...options, model: wrapModel(model) }));
    register(agent);
    return { agent, heard, stop };
  },
  watchers: {
    exporter: { training: 'hears' },
    processor: { training: 'hears' },
    callback: { training: 'hears' },
    middleware: { training: 'hears' },
  },
  run: async (agent, input) => (await agent.generate(input)).text,
  async stream(agent, input) {
    const output = await agent.stream(input);
    let text = '';
    for await (const part of output.textStream) text += part;
    return text;
  },
};

function buildAgent(
  request: BuildRequest,
  { name, instructions, tools = [] }: AgentSpec,
  more: (model: never) => object = () => ({}),
): Agent {
  const { baseUrl, apiKey, model, maxRetries, client: { body, ...settings } = {} } = request.model;
  const own = createOpenAICompatible({ name: 'own', baseURL: baseUrl, apiKey, ...settings })(model) as never;
  const agent = new Agent({
    id: name,
    name,
    instructions,
    model: own,
    maxRetries,
    tools: Object.fromEntries(tools.map((tool) => [tool.name, buildTool(request, tool)])),
    ...(body !== undefined && { defaultOptions: { providerOptions: { own: body } } }),
    ...more(own),
  });
  agent.__setLogger(noopLogger);
  return agent;
}

/** The agents that tools call are wrapped on their own, as agents that a user already has would be. */
function buildTool(request: BuildRequest, spec: NonNullable<AgentSpec['tools']>[number]) {
  const { name: id, description } = spec;
  if ('agent' in spec) {
    const built = buildAgent(request, spec.agent);
    const agent = request.isWrapped ? withLightning(built, spec.agent.wrap) : built;
    const inputSchema = z.object({ input: z.string() });
    return createTool({ id, description, inputSchema, execute: async ({ input }) => (await agent.generate(input)).text });
  }
  const inputSchema = z.object(Object.fromEntries(spec.parameters.map((parameter) => [parameter, z.string()])));
  return createTool({ id, description, inputSchema, execute: (args) => spec.execute(args as Record<string, string>) });
}
