import { instructionsOf } from '@agent-lightning/testing';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import type { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { RequestContext } from '@mastra/core/request-context';
import { InMemoryStore } from '@mastra/core/storage';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom, Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, modelOf, page, weather } from './parts.ts';

const once = { selected: { writer: 1 } };
const withTool = { script: { writer: [askWeather] }, selected: { writer: 2 } };
const tools = { weather };

/** Returns the writer of an instance whose storage keeps what waits for a human. */
function storedAgent(around: Surroundings, tools: object): Agent {
  const agents = { writer: agentOf(around, 'writer', { tools }) };
  return around.wrap(new Mastra({ agents, storage: new InMemoryStore(), logger: false })).getAgent('writer');
}

/** Idioms of one agent: how it is called, its models, its tools and outputs. */
export const agents: readonly Idiom[] = [
  {
    ...once,
    name: 'generate',
    source: page('agents/overview#generating-responses'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const { text, finishReason } = await agent.generate(question);
        return [text, finishReason];
      };
    },
  },
  {
    ...once,
    name: 'generate with messages, context and settings',
    source: page('agents/overview'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const messages = [
          { role: 'user', content: 'hello' },
          { role: 'assistant', content: 'hi' },
          { role: 'user', content: question },
        ] as const;
        const options = { modelSettings: { temperature: 0.2, maxOutputTokens: 50 }, maxSteps: 3 };
        return (await agent.generate([...messages], options)).text;
      };
    },
  },
  {
    ...once,
    name: 'stream, its text',
    source: page('streaming/overview'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => collect((await agent.stream(question)).textStream as unknown as AsyncIterable<string>);
    },
  },
  {
    ...withTool,
    name: 'stream, all of its parts',
    source: page('streaming/events'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) => {
        const output = await agent.stream(question);
        const parts = await collect(output.fullStream as unknown as AsyncIterable<{ type: string }>);
        return [parts.map(({ type }) => type), await output.text];
      };
    },
  },
  {
    ...withTool,
    name: 'a tool',
    source: page('agents/using-tools'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) => {
        const { text, steps } = await agent.generate(question);
        return [text, steps.length];
      };
    },
  },
  {
    name: 'three tool calls at once',
    source: page('agents/using-tools'),
    script: { writer: [['Oslo', 'Rome', 'Bonn'].map((city) => call('weather', { city: `${city} {q}` }))] },
    selected: { writer: 2 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) => {
        const { toolResults } = await agent.generate(question);
        return toolResults.map(({ payload }) => payload.result);
      };
    },
  },
  {
    ...withTool,
    name: 'a tool that throws',
    source: page('agents/using-tools'),
    build: (around) => {
      const broken = createTool({
        id: 'weather',
        description: 'Fails.',
        inputSchema: z.object({ city: z.string() }),
        execute: () => Promise.reject(new RangeError('no weather')),
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather: broken } }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    ...withTool,
    name: 'toolsets of one call',
    source: page('mcp/overview#dynamic-tools'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => (await agent.generate(question, { toolsets: { local: tools } })).text;
    },
  },
  {
    name: 'tools of the client',
    source: page('agents/using-tools'),
    script: { writer: [askWeather] },
    ...once,
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      const { execute: _execute, ...client } = weather;
      return async (question) => {
        const { toolCalls } = await agent.generate(question, {
          clientTools: { weather: client as never },
          maxSteps: 1,
        });
        return toolCalls.map(({ payload }) => payload.args);
      };
    },
  },
  {
    ...withTool,
    name: 'a tool that must be called',
    source: page('agents/using-tools'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) =>
        (await agent.generate(question, { toolChoice: 'auto', activeTools: ['weather'] } as never)).text;
    },
  },
  {
    ...withTool,
    name: 'tools that use the request’s context',
    source: page('server/request-context'),
    build: (around) => {
      const contextual = createTool({
        id: 'weather',
        description: 'Tells the weather.',
        inputSchema: z.object({ city: z.string() }),
        execute: ({ city }, { requestContext }) =>
          Promise.resolve(`${city} for ${String(requestContext?.get('user'))}`),
      });
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather: contextual } }));
      return async (question) => {
        const requestContext = new RequestContext([['user', `user of ${question}`]]);
        const { toolResults } = await agent.generate(question, { requestContext });
        return toolResults.map(({ payload }) => payload.result);
      };
    },
  },
  {
    ...withTool,
    name: 'instructions, model and tools that are functions of the context',
    source: page('server/request-context#dynamic-agent-configuration'),
    build: (around) => {
      const agent = agentOf(around, 'writer', {
        instructions: ({ requestContext }: { requestContext: RequestContext }) =>
          `${instructionsOf('writer')} For ${String(requestContext.get('user'))}.`,
        model: ({ requestContext }: { requestContext: RequestContext }) =>
          modelOf(around, `own-${String(requestContext.get('tier'))}`),
        tools: () => tools,
      });
      const app = around.wrap(agent);
      return async (question) => {
        const requestContext = new RequestContext([
          ['user', `user of ${question}`],
          ['tier', 'large'],
        ]);
        return (await app.generate(question, { requestContext })).text;
      };
    },
  },
  {
    name: 'a list of models, of which the first fails',
    source: page('models/overview#model-fallbacks'),
    script: { writer: [{ status: 500 }] },
    selected: { writer: 2 },
    build: (around) => {
      const model = ['own-first', 'own-second'].map((id) => ({ model: modelOf(around, id), maxRetries: 0 }));
      const agents = { writer: agentOf(around, 'writer', { model }) };
      const mastra = around.wrap(new Mastra({ agents, logger: false }));
      return async (question) => (await mastra.getAgent('writer').generate(question)).text;
    },
  },
  {
    ...once,
    name: 'a model by its address and key',
    source: page('models/overview#custom-urls'),
    build: (around) => {
      const model = { id: 'own/own-model', url: around.openai, apiKey: around.apiKey };
      const agent = around.wrap(agentOf(around, 'writer', { model }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    ...withTool,
    name: 'a model of the AI SDK that speaks Responses',
    source: page('models/overview#use-ai-sdk-with-mastra'),
    build: (around) => {
      const model = createOpenAI({ baseURL: around.openai, apiKey: around.apiKey })('own-model');
      const agent = around.wrap(agentOf(around, 'writer', { model, tools }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    ...withTool,
    name: 'a model of Anthropic, by the AI SDK',
    source: page('models/overview#use-ai-sdk-with-mastra'),
    build: (around) => {
      const model = createAnthropic({ baseURL: `${around.anthropic}/v1`, apiKey: around.apiKey })('own-claude');
      const agent = around.wrap(agentOf(around, 'writer', { model, tools }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    ...once,
    name: 'a model of Anthropic, streamed',
    source: page('models/overview#use-ai-sdk-with-mastra'),
    build: (around) => {
      const model = createAnthropic({ baseURL: `${around.anthropic}/v1`, apiKey: around.apiKey })('own-claude');
      const agent = around.wrap(agentOf(around, 'writer', { model }));
      return async (question) => collect((await agent.stream(question)).textStream as unknown as AsyncIterable<string>);
    },
  },
  {
    name: 'structured output',
    source: page('agents/structured-output'),
    script: { writer: ['{"name":"Ada {q}"}'] },
    ...once,
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      const schema = z.object({ name: z.string() });
      return async (question) => (await agent.generate(question, { structuredOutput: { schema } })).object;
    },
  },
  {
    name: 'structured output, streamed',
    source: page('agents/structured-output#streaming-structured-output'),
    script: { writer: ['{"name":"Ada {q}"}'] },
    ...once,
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      const schema = z.object({ name: z.string() });
      return async (question) => {
        const output = await agent.stream(question, { structuredOutput: { schema } });
        return [(await collect(output.objectStream as unknown as AsyncIterable<unknown>)).at(-1), await output.object];
      };
    },
  },
  {
    name: 'an agent of at most one step',
    source: page('agents/overview#using-maxsteps'),
    script: { writer: [askWeather] },
    ...once,
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) => (await agent.generate(question, { maxSteps: 1 })).finishReason;
    },
  },
  {
    ...withTool,
    name: 'callbacks of steps and of the end',
    source: page('agents/overview#using-onstepfinish'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      return async (question) => {
        const seen: string[] = [];
        await agent.generate(question, {
          onStepFinish: ({ finishReason }: { finishReason?: string }) => void seen.push(`step ${finishReason}`),
          onFinish: ({ finishReason }: { finishReason?: string }) => void seen.push(`end ${finishReason}`),
        } as never);
        return seen;
      };
    },
  },
  {
    ...withTool,
    name: 'prepareStep, which changes the tools',
    source: page('agents/processors#using-preparestep-callback'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools }));
      const prepareStep = ({ stepNumber }: { stepNumber: number }) => (stepNumber === 0 ? {} : { toolChoice: 'none' });
      return async (question) => (await agent.generate(question, { prepareStep } as never)).text;
    },
  },
  {
    ...once,
    name: 'default options of an agent',
    source: page('reference/agents/agent'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { defaultOptions: { modelSettings: { temperature: 0.1 } } }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    name: 'a tool call that a human approves',
    source: page('agents/human-in-the-loop'),
    ...withTool,
    build: (around) => {
      const guarded = createTool({
        id: 'weather',
        description: 'Tells the weather.',
        inputSchema: z.object({ city: z.string() }),
        requireApproval: true,
        execute: ({ city }) => Promise.resolve(`sunny in ${city}`),
      });
      const agent = storedAgent(around, { weather: guarded });
      return async (question) => {
        const stream = await agent.stream(question);
        const parts = await collect(stream.fullStream as unknown as AsyncIterable<{ type: string }>);
        const approved = await agent.approveToolCall({ runId: stream.runId });
        const rest = await collect(approved.textStream as unknown as AsyncIterable<string>);
        return [parts.some(({ type }) => type === 'tool-call-approval'), rest];
      };
    },
  },
  {
    name: 'a tool call that a human declines',
    source: page('agents/human-in-the-loop'),
    ...withTool,
    build: (around) => {
      const agent = storedAgent(around, tools);
      return async (question) => {
        const stream = await agent.stream(question, { requireToolApproval: true });
        await collect(stream.fullStream as unknown as AsyncIterable<unknown>);
        const declined = await agent.declineToolCall({ runId: stream.runId });
        return collect(declined.textStream as unknown as AsyncIterable<string>);
      };
    },
  },
  {
    name: 'a tool that suspends and is resumed',
    source: page('agents/human-in-the-loop#runtime-suspension-with-suspend'),
    ...withTool,
    build: (around) => {
      const asking = createTool({
        id: 'weather',
        description: 'Asks first.',
        inputSchema: z.object({ city: z.string() }),
        suspendSchema: z.object({ reason: z.string() }),
        resumeSchema: z.object({ approved: z.boolean() }),
        execute: async ({ city }, context) => {
          if (context?.agent?.resumeData === undefined)
            return (await context?.agent?.suspend({ reason: 'sure?' })) as never;
          return `sunny in ${city}`;
        },
      });
      const agent = storedAgent(around, { weather: asking });
      return async (question) => {
        const stream = await agent.stream(question);
        await collect(stream.fullStream as unknown as AsyncIterable<unknown>);
        const resumed = await agent.resumeStream({ approved: true }, { runId: stream.runId });
        return collect(resumed.textStream as unknown as AsyncIterable<string>);
      };
    },
  },
];
