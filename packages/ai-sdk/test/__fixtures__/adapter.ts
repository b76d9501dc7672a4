import { join } from 'node:path';
import type { AdapterUnderTest, AgentSpec, AgentToolSpec, BuildRequest } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { jsonSchema, tool, ToolLoopAgent, type LanguageModel, type ToolSet } from 'ai';
import { withLightning } from '../../src/index.ts';
import { createWatchers } from './watch.ts';

/** The AI SDK as the contract suite drives it: a `ToolLoopAgent` for each agent. */
export const aiSdkAdapter: AdapterUnderTest<Agent> = {
  unsupported: { handoff: 'the AI SDK has no handoffs between agents' },
  returns: 'a new agent',
  earlyApp: {
    file: join(import.meta.dirname, 'early-client.ts'),
    nodeArguments: ['--conditions=@agent-lightning/source'],
  },
  build: (request) => {
    const { baseUrl, apiKey, model, client: { body, ...settings } = {} } = request.model;
    const own = createOpenAICompatible({ name: 'own', baseURL: baseUrl, apiKey, ...settings })(model);
    return buildAgent(request, request.agent, own, body && { providerOptions: { own: body } });
  },
  wrap: withLightning,
  watch(request) {
    const { wrapModel, options, heard, stop } = createWatchers();
    const { baseUrl, apiKey, model } = request.model;
    const own = wrapModel(createOpenAICompatible({ name: 'own', baseURL: baseUrl, apiKey })(model));
    return { agent: buildAgent(request, request.agent, own, options), heard, stop };
  },
  watchers: {
    registered: { training: 'hears' },
    channel: { training: 'hears' },
    callback: { training: 'hears' },
    middleware: { training: 'hears' },
  },
  run: async (agent, prompt) => (await agent.generate({ prompt })).text,
  stream: async (agent, prompt) => {
    let text = '';
    const result = await agent.stream({ prompt });
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'start-step') text = '';
      if (part.type === 'error') throw part.error;
    }
    return text;
  },
};

type Agent = ToolLoopAgent<never, ToolSet>;

/** The agents that tools call are wrapped on their own, as agents that a user already has would be. */
function buildAgent(request: BuildRequest, spec: AgentSpec, model: LanguageModel, more: object = {}): Agent {
  const tools: ToolSet = {};
  for (const given of spec.tools ?? []) {
    tools[given.name] =
      'agent' in given
        ? agentTool(request, given, buildAgent(request, given.agent, model))
        : tool({
            description: given.description,
            inputSchema: stringsSchema(given.parameters),
            execute: (args) => given.execute(args),
          });
  }
  const { maxRetries } = request.model;
  const { name: id, instructions } = spec;
  return new ToolLoopAgent({ id, instructions, model, tools, maxRetries, onError: () => undefined, ...more });
}

function agentTool({ isWrapped }: BuildRequest, { description, agent: spec }: AgentToolSpec, built: Agent): ToolSet[string] {
  const agent = isWrapped ? withLightning(built, spec.wrap) : built;
  return tool({
    description,
    inputSchema: stringsSchema(['input']),
    execute: async ({ input = '' }) => (await agent.generate({ prompt: input })).text,
  });
}

function stringsSchema(names: readonly string[]) {
  return jsonSchema<Record<string, string>>({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    required: [...names],
    additionalProperties: false,
  });
}
