import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { AdapterUnderTest, AgentSpec, BuildRequest, BuiltAgent } from '@agent-lightning/testing';
import { Agent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import { withLightning } from '../../src/index.ts';

/** Mastra, as the contract of adapters needs it. */
export const adapter: AdapterUnderTest = {
  unsupported: { handoff: 'an agent of Mastra calls sub-agents as tools and stays in charge' },
  build({ agent, model, wrap }): BuiltAgent {
    const built = buildAgent(agent, model, wrap);
    return {
      run: async (input) => (await built.generate(input)).text,
      async stream(input) {
        const output = await built.stream(input);
        let text = '';
        for await (const part of output.textStream) text += part;
        return text;
      },
    };
  },
};

function buildAgent(spec: AgentSpec, model: BuildRequest['model'], wrap: BuildRequest['wrap']): Agent {
  const { name, instructions, tools = [] } = spec;
  const provider = createOpenAICompatible({ name: 'own', baseURL: model.baseUrl, apiKey: model.apiKey });
  const built = new Agent({
    id: name,
    name,
    instructions,
    model: provider(model.model) as never,
    maxRetries: model.maxRetries,
    tools: Object.fromEntries(tools.map((tool) => [tool.name, buildTool(tool, model, wrap && {})])),
  });
  built.__setLogger(noopLogger);
  return wrap === undefined ? built : withLightning(built, wrap);
}

function buildTool(
  spec: NonNullable<AgentSpec['tools']>[number],
  model: BuildRequest['model'],
  wrap: BuildRequest['wrap'],
) {
  const { name: id, description } = spec;
  if ('agent' in spec) {
    const agent = buildAgent(spec.agent, model, wrap);
    const inputSchema = z.object({ input: z.string() });
    return createTool({ id, description, inputSchema, execute: async ({ input }) => (await agent.generate(input)).text });
  }
  const inputSchema = z.object(Object.fromEntries(spec.parameters.map((parameter) => [parameter, z.string()])));
  return createTool({ id, description, inputSchema, execute: (args) => spec.execute(args as Record<string, string>) });
}
