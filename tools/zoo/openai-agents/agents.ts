import { instructionsOf } from '@agent-lightning/testing';
import {
  Agent,
  MaxTurnsExceededError,
  MemorySession,
  OpenAIProvider,
  Runner,
  run,
  tool,
  user,
  withTrace,
  type AgentInputItem,
  type MCPServer,
  type Model,
  type RunContext,
} from '@openai/agents';
import { z } from 'zod';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, chatModel, guide, openaiClient, weather } from './parts.ts';

const writer = { selected: { writer: 1 } };
const writerWithTool = { script: { writer: [askWeather] }, selected: { writer: 2 } };

/** An MCP server within the process. */
const localMcpServer: MCPServer = {
  name: 'local',
  cacheToolsList: false,
  connect: () => Promise.resolve(),
  close: () => Promise.resolve(),
  invalidateToolsCache: () => Promise.resolve(),
  listTools: () => {
    const inputSchema = {
      type: 'object',
      properties: { key: { type: 'string' } },
      required: ['key'],
      additionalProperties: false,
    } as const;
    return Promise.resolve([
      { name: 'lookup', description: 'Looks up.', inputSchema: { ...inputSchema, required: ['key'] } },
    ]);
  },
  callTool: (name, args) => Promise.resolve([{ type: 'text', text: `${name} of ${String(args?.['key'])}` }]),
};

/** Idioms of one agent: tools, outputs, contexts, sessions, runners and models. */
export const agents: readonly Idiom[] = [
  {
    ...writer,
    name: 'an agent and run',
    source: guide('quickstart'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => (await run(agent, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'a Runner with a model provider, and a model that is a name',
    source: guide('models#custom-model-providers'),
    build: (around) => {
      const provider = new OpenAIProvider({ openAIClient: openaiClient(around) as never, useResponses: false });
      const runner = new Runner({ modelProvider: provider });
      const options = { name: 'writer', instructions: instructionsOf('writer'), model: 'own-model' };
      const agent = around.wrap(new Agent(options));
      return async (question) => (await runner.run(agent, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'a Runner whose model is that of every agent',
    source: guide('running-agents#runner-lifecycle-and-configuration'),
    build: (around) => {
      const runner = new Runner({ model: chatModel(around), modelSettings: { temperature: 0.5 } });
      const agent = around.wrap(new Agent({ name: 'writer', instructions: instructionsOf('writer') }));
      return async (question) => (await runner.run(agent, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'a model of your own around another one',
    source: guide('models#custom-model-providers'),
    build: (around) => {
      const inner = chatModel(around);
      const model: Model = {
        getResponse: (request) => inner.getResponse(request),
        getStreamedResponse: (request) => inner.getStreamedResponse(request),
      };
      const agent = around.wrap(agentOf(around, 'writer', { model }));
      return async (question) => (await run(agent, question)).finalOutput;
    },
  },
  {
    ...writerWithTool,
    name: 'a function tool',
    source: guide('tools#2-function-tools'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather] }));
      return async (question) => {
        const { finalOutput, newItems } = await run(agent, question);
        return [finalOutput, newItems.map(({ type }) => type)];
      };
    },
  },
  {
    name: 'a function tool with a JSON schema that is not strict',
    source: guide('tools#options-reference'),
    ...writerWithTool,
    build: (around) => {
      const loose = tool({
        name: 'weather',
        description: 'Tells the weather.',
        strict: false,
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: [],
          additionalProperties: true,
        },
        execute: (input) => `weather of ${JSON.stringify(input)}`,
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: [loose] }));
      return async (question) => (await run(agent, question)).history.map(({ type }) => type);
    },
  },
  {
    name: 'three tool calls at once',
    source: guide('tools'),
    script: { writer: [['Oslo', 'Rome', 'Bonn'].map((city) => call('weather', { city: `${city} {q}` }))] },
    selected: { writer: 2 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather] }));
      return async (question) => (await run(agent, question)).history;
    },
  },
  {
    ...writerWithTool,
    name: 'a tool that throws, with an error function',
    source: guide('tools#options-reference'),
    build: (around) => {
      const broken = tool({
        name: 'weather',
        description: 'Fails.',
        parameters: z.object({ city: z.string() }),
        execute: () => Promise.reject(new RangeError('no weather')),
        errorFunction: (_context, error) => `failed: ${String(error)}`,
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: [broken] }));
      return async (question) => (await run(agent, question)).history;
    },
  },
  {
    name: 'a run that stops at the first tool',
    source: guide('agents#forcing-tool-use'),
    script: { writer: [askWeather] },
    selected: { writer: 1 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather], toolUseBehavior: 'stop_on_first_tool' }));
      return async (question) => (await run(agent, question)).finalOutput;
    },
  },
  {
    name: 'a function that decides whether tool results are final',
    source: guide('agents#forcing-tool-use'),
    script: { writer: [askWeather] },
    selected: { writer: 1 },
    build: (around) => {
      const agent = agentOf(around, 'writer', {
        tools: [weather],
        toolUseBehavior: (_context, results) => ({
          isFinalOutput: true,
          isInterrupted: undefined,
          finalOutput: `${results.length} results`,
        }),
      });
      const app = around.wrap(agent);
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    ...writerWithTool,
    name: 'a tool that must be called',
    source: guide('agents#forcing-tool-use'),
    build: (around) => {
      const modelSettings = { toolChoice: 'required', parallelToolCalls: false } as const;
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather], modelSettings }));
      return async (question) => (await run(agent, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'a tool that is enabled for some contexts',
    source: guide('tools#options-reference'),
    build: (around) => {
      const hidden = tool({
        name: 'hidden',
        description: 'Is hidden.',
        parameters: z.object({}),
        isEnabled: ({ runContext }) => runContext.context === 'admin',
        execute: () => 'never',
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: [hidden, weather] }));
      return async (question) => (await run(agent, question, { context: 'guest' })).finalOutput;
    },
  },
  {
    name: 'tools of an MCP server',
    source: guide('mcp'),
    script: { writer: [[call('lookup', { key: 'k {q}' })]] },
    selected: { writer: 2 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { mcpServers: [localMcpServer] }));
      return async (question) => (await run(agent, question)).history;
    },
  },
  {
    name: 'an output type of zod',
    source: guide('agents#output-types'),
    script: { writer: ['{"name":"Ada {q}","date":"today"}'] },
    selected: { writer: 1 },
    build: (around) => {
      const outputType = z.object({ name: z.string(), date: z.string() });
      const options = { name: 'writer', instructions: instructionsOf('writer'), model: chatModel(around), outputType };
      const agent = around.wrap(new Agent(options));
      return async (question) => (await run(agent, question)).finalOutput?.name;
    },
  },
  {
    name: 'an output type that is a JSON schema',
    source: guide('agents#output-types'),
    script: { writer: ['{"name":"Ada {q}"}'] },
    selected: { writer: 1 },
    build: (around) => {
      const schema = {
        type: 'object',
        properties: { name: { type: 'string' } },
        required: ['name'],
        additionalProperties: false,
      } as const;
      const outputType = {
        type: 'json_schema',
        name: 'event',
        strict: true,
        schema: { ...schema, required: ['name'] },
      } as const;
      const agent = around.wrap(agentOf(around, 'writer', { outputType: outputType as never }));
      return async (question) => (await run(agent, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'instructions that are made for each run',
    source: guide('agents#dynamic-instructions'),
    build: (around) => {
      const instructions = ({ context }: RunContext<{ name: string }>) =>
        `${instructionsOf('writer')} Help ${context.name}.`;
      const agent = around.wrap(new Agent({ name: 'writer', instructions, model: chatModel(around) }));
      return async (question) => (await run(agent, question, { context: { name: `Bob of ${question}` } })).finalOutput;
    },
  },
  {
    ...writerWithTool,
    name: 'a context that tools read and write',
    source: guide('context'),
    build: (around) => {
      const counting = tool({
        name: 'weather',
        description: 'Counts.',
        parameters: z.object({ city: z.string() }),
        execute: (_input, runContext?: RunContext<{ count: number }>) => `call ${++runContext!.context.count}`,
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: [counting] as never }));
      return async (question) => {
        const context = { count: 0 };
        const { finalOutput } = await run(agent, question, { context });
        return [finalOutput, context];
      };
    },
  },
  {
    name: 'a clone with other instructions',
    source: guide('agents#cloning--copying-agents'),
    selected: { robot: 1, pirate: 1 },
    build: (around) => {
      const pirate = around.wrap(agentOf(around, 'pirate'));
      const robot = pirate.clone({ name: 'robot', instructions: instructionsOf('robot') });
      return async (question) => [(await run(pirate, question)).finalOutput, (await run(robot, question)).finalOutput];
    },
  },
  {
    ...writerWithTool,
    name: 'hooks of the agent and of the runner',
    source: guide('agents#lifecycle-hooks'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather] }));
      return async (question) => {
        const seen: string[] = [];
        const runner = new Runner();
        runner.on('agent_start', (_context, { name }) => seen.push(`start ${name}`));
        runner.on('agent_tool_end', (_context, _agent, { name }) => seen.push(`tool ${name}`));
        runner.on('agent_end', (_context, { name }, output) => seen.push(`end ${name}: ${output}`));
        await runner.run(agent, question);
        return seen;
      };
    },
  },
  {
    name: 'a run with too many turns',
    source: guide('running-agents#error-handlers'),
    script: { writer: [askWeather] },
    selected: { writer: 1 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: [weather] }));
      return (question) =>
        run(agent, question, { maxTurns: 1 }).catch((error) => error instanceof MaxTurnsExceededError);
    },
  },
  {
    name: 'a conversation by the history of the run before',
    source: guide('running-agents#conversations--chat-threads'),
    selected: { writer: 2 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        let thread: AgentInputItem[] = [];
        for (const text of [question, `again ${question}`])
          thread = (await run(agent, thread.concat(user(text)))).history;
        return thread;
      };
    },
  },
  {
    name: 'a conversation in a session',
    source: guide('sessions'),
    selected: { writer: 2 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const session = new MemorySession();
        await run(agent, question, { session });
        const { finalOutput } = await run(agent, 'And then?', { session });
        return [finalOutput, (await session.getItems()).length];
      };
    },
  },
  {
    ...writer,
    name: 'a filter of what the model is given',
    source: guide('running-agents#call-model-input-filter'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const input = [user('old'), user(question)];
        const options = {
          callModelInputFilter: ({ modelData }: { modelData: { input: AgentInputItem[]; instructions?: string } }) => ({
            ...modelData,
            input: modelData.input.slice(-1),
          }),
        };
        return (await run(agent, input, options)).finalOutput;
      };
    },
  },
  {
    name: 'two runs in one trace of the app',
    source: guide('tracing#higher-level-traces'),
    selected: { writer: 1, judge: 1 },
    build: (around) => {
      const [author, judge] = [around.wrap(agentOf(around, 'writer')), around.wrap(agentOf(around, 'judge'))];
      return (question) =>
        withTrace('Joke workflow', async () => {
          const { finalOutput } = await run(author, question);
          return (await run(judge, `rate ${finalOutput}`)).finalOutput;
        });
    },
  },
  {
    ...writer,
    untraced: ['writer'],
    name: 'a Runner without tracing',
    source: guide('tracing'),
    build: (around) => {
      const runner = new Runner({ tracingDisabled: true });
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => (await runner.run(agent, question)).finalOutput;
    },
  },
  {
    name: 'retries of the client',
    source: guide('config'),
    script: { writer: [{ status: 503 }, 'at last {q}'] },
    selected: { writer: 2 },
    build: (around) => {
      const provider = new OpenAIProvider({ openAIClient: openaiClient(around, 1) as never, useResponses: false });
      const runner = new Runner({ modelProvider: provider });
      const agent = around.wrap(
        new Agent({ name: 'writer', instructions: instructionsOf('writer'), model: 'own-model' }),
      );
      return async (question) => (await runner.run(agent, question)).finalOutput;
    },
  },
];
