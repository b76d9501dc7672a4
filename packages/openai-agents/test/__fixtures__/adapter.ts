import { join } from 'node:path';
import type { AdapterUnderTest, AgentSpec, BuildRequest } from '@agent-lightning/testing';
import { Agent, OpenAIChatCompletionsModel, run, tool, type ModelSettings, type Tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import { withLightning } from '../../src/index.ts';
import { createWatchers } from './watch.ts';

/** The OpenAI Agents SDK, as the contract of adapters needs it. */
export const adapter: AdapterUnderTest<Agent> = {
  returns: 'the same agent',
  earlyApp: {
    file: join(import.meta.dirname, 'early-client.ts'),
    nodeArguments: ['--conditions=@agent-lightning/source'],
  },
  build: ({ agent, model }) => buildAgent(agent, chatModel(model), { providerData: model.client?.body ?? {} }),
  wrap: withLightning,
  watch({ agent: spec, model }) {
    const agent = buildAgent(spec, chatModel(model));
    return { agent, ...createWatchers(agent) };
  },
  watchers: { processor: { training: 'silent' }, hook: { training: 'hears' } },
  run: async (agent, input) => (await run(agent, input)).finalOutput ?? '',
  async stream(agent, input) {
    const result = await run(agent, input, { stream: true });
    for await (const _event of result);
    await result.completed;
    return result.finalOutput ?? '';
  },
};

export function chatModel({ baseUrl, apiKey, model, maxRetries, client: own }: BuildRequest['model']): OpenAIChatCompletionsModel {
  // The fetch of the moment, as a client has it that is built after the adapter.
  const ownFetch: typeof fetch = own?.fetch ?? ((...call) => fetch(...call));
  const client = new OpenAI({ baseURL: baseUrl, apiKey, maxRetries, fetch: ownFetch, defaultHeaders: own?.headers });
  return new OpenAIChatCompletionsModel(client as never, model);
}

function buildAgent(spec: AgentSpec, model: OpenAIChatCompletionsModel, modelSettings: ModelSettings = {}): Agent {
  const { name, instructions, tools = [], handoffs = [], wrap } = spec;
  const agent = new Agent({
    name,
    instructions,
    model,
    modelSettings,
    tools: tools.map((spec): Tool => {
      const { name: toolName, description } = spec;
      if ('agent' in spec) return buildAgent(spec.agent, model).asTool({ toolName, toolDescription: description });
      const parameters = z.object(Object.fromEntries(spec.parameters.map((parameter) => [parameter, z.string()])));
      return tool({ name: toolName, description, parameters, execute: (args) => spec.execute(args) });
    }),
    handoffs: handoffs.map((next) => buildAgent(next, model)),
  });
  return wrap === undefined ? agent : withLightning(agent, wrap);
}
