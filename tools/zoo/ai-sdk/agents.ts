import { instructionsOf } from '@agent-lightning/testing';
import { createAgentUIStream, isStepCount, Output, readUIMessageStream, tool, ToolLoopAgent, type UIMessage } from 'ai';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, page, providerOf, weather } from './parts.ts';

const once = { selected: { writer: 1 } };
const withTool = { script: { writer: [askWeather] }, selected: { writer: 2 } };
const askHelper = { boss: [[call('ask_helper', { task: 'help {q}' })]] };

function helperTool(answer: (task: string) => Promise<string>) {
  const inputSchema = z.object({ task: z.string() });
  return tool({ description: 'Asks the helper.', inputSchema, execute: ({ task }) => answer(task) });
}

const uiMessages = (question: string): UIMessage[] => [
  { id: '1', role: 'user', parts: [{ type: 'text', text: question }] },
];

/** Idioms of `ToolLoopAgent`. */
export const agents: readonly Idiom[] = [
  {
    ...withTool,
    name: 'an agent',
    source: page('agents/building-agents'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather } }));
      return async (question) => {
        const { text, steps } = await agent.generate({ prompt: question });
        return [text, steps.length];
      };
    },
  },
  {
    ...withTool,
    name: 'an agent that is streamed',
    source: page('agents/building-agents#stream-text'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather } }));
      return async (question) => collect((await agent.stream({ prompt: question })).textStream);
    },
  },
  {
    name: 'an agent with an output',
    source: page('agents/building-agents#structured-output'),
    script: { writer: ['{"name":"Ada {q}"}'] },
    ...once,
    build: (around) => {
      const model = providerOf(around)('own-model');
      const output = Output.object({ schema: z.object({ name: z.string() }) });
      const agent = around.wrap(
        new ToolLoopAgent({ id: 'writer', model, instructions: instructionsOf('writer'), output }),
      );
      return async (question) => (await agent.generate({ prompt: question })).output;
    },
  },
  {
    name: 'an agent that stops after its first step',
    source: page('agents/loop-control#stop-conditions'),
    script: { writer: [askWeather] },
    ...once,
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather }, stopWhen: isStepCount(1) }));
      return async (question) => (await agent.generate({ prompt: question })).finishReason;
    },
  },
  {
    ...withTool,
    name: 'an agent that prepares its steps',
    source: page('agents/loop-control#prepare-step'),
    build: (around) => {
      const prepareStep = ({ stepNumber }: { stepNumber: number }) =>
        stepNumber > 0 ? { toolChoice: 'none' as const } : {};
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather }, prepareStep }));
      return async (question) => (await agent.generate({ prompt: question })).text;
    },
  },
  {
    ...once,
    name: 'an agent with options of the call',
    source: page('agents/configuring-call-options'),
    build: (around) => {
      const agent = new ToolLoopAgent({
        id: 'writer',
        model: providerOf(around)('own-model'),
        callOptionsSchema: z.object({ user: z.string() }),
        prepareCall: ({ options, ...settings }) => ({
          ...settings,
          instructions: `${instructionsOf('writer')} For ${options.user}.`,
        }),
      });
      const app = around.wrap(agent);
      return async (question) =>
        (await app.generate({ prompt: question, options: { user: `user of ${question}` } })).text;
    },
  },
  {
    name: 'an agent that chooses its model for the call',
    source: page('agents/configuring-call-options#dynamic-model-selection'),
    ...once,
    build: (around) => {
      const provider = providerOf(around);
      const agent = new ToolLoopAgent({
        id: 'writer',
        model: provider('own-model'),
        instructions: instructionsOf('writer'),
        callOptionsSchema: z.object({ isHard: z.boolean() }),
        prepareCall: ({ options, ...settings }) => ({
          ...settings,
          model: provider(options.isHard ? 'own-large' : 'own-small'),
        }),
      });
      const app = around.wrap(agent);
      return async (question) => (await app.generate({ prompt: question, options: { isHard: true } })).text;
    },
  },
  {
    name: 'an agent that a tool calls',
    source: page('agents/subagents'),
    script: askHelper,
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const helper = around.wrap(agentOf(around, 'helper'));
      const ask = helperTool(async (task) => (await helper.generate({ prompt: task })).text);
      const app = around.wrap(agentOf(around, 'boss', { tools: { ask_helper: ask } }), { agentMatch: 'helper' });
      return async (question) => (await app.generate({ prompt: question })).text;
    },
  },
  {
    name: 'an agent that a tool streams',
    source: page('agents/subagents#streaming-subagent-progress'),
    script: { ...askHelper, helper: [askWeather] },
    selected: { boss: 2, helper: 2 },
    build: (around) => {
      const helper = around.wrap(agentOf(around, 'helper', { tools: { weather } }));
      const ask = tool({
        description: 'Asks the helper.',
        inputSchema: z.object({ task: z.string() }),
        async *execute({ task }, { abortSignal }) {
          const result = await helper.stream({ prompt: task, ...(abortSignal && { abortSignal }) });
          for await (const message of readUIMessageStream({ stream: result.toUIMessageStream() })) yield message;
        },
        toModelOutput: ({ output }) => {
          const last = output?.parts.findLast((part) => part.type === 'text') as { text: string } | undefined;
          return { type: 'text', value: last?.text ?? 'nothing' };
        },
      });
      const app = around.wrap(agentOf(around, 'boss', { tools: { ask_helper: ask } }));
      return async (question) => collect((await app.stream({ prompt: question })).textStream);
    },
  },
  {
    name: 'two agents at once, one of them selected',
    source: page('agents/subagents'),
    script: { boss: [[call('poet', { task: 'a poem {q}' }), call('joker', { task: 'a joke {q}' })]] },
    selected: { poet: 1 },
    kept: { boss: 2, joker: 1 },
    build: (around) => {
      const tools = Object.fromEntries(
        ['poet', 'joker'].map((name) => {
          const agent = around.wrap(agentOf(around, name));
          return [name, helperTool(async (task) => (await agent.generate({ prompt: task })).text)];
        }),
      );
      const app = around.wrap(agentOf(around, 'boss', { tools }), { agentMatch: /^boss\/poet$/ });
      return async (question) => (await app.generate({ prompt: question })).text;
    },
  },
  {
    ...withTool,
    name: 'an agent behind a chat’s API',
    source: page('reference/ai-sdk-core/create-agent-ui-stream'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather } }));
      return async (question) => {
        const stream = await createAgentUIStream({ agent, uiMessages: uiMessages(question) } as never);
        return (await collect(stream as AsyncIterable<{ type: string }>)).map(({ type }) => type);
      };
    },
  },
  {
    ...withTool,
    name: 'callbacks of an agent',
    source: page('ai-sdk-core/lifecycle-callbacks'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { tools: { weather } }));
      return async (question) => {
        const seen: string[] = [];
        await agent.generate({
          prompt: question,
          onStepFinish: ({ finishReason }: { finishReason: string }) => void seen.push(finishReason),
        } as never);
        return seen;
      };
    },
  },
  {
    name: 'agents one after the other',
    source: page('agents/workflows#sequential-processing-chains'),
    selected: { planner: 1 },
    kept: { writer: 1 },
    untraced: ['writer'],
    build: (around) => {
      const [planner, writer] = [around.wrap(agentOf(around, 'planner')), agentOf(around, 'writer')];
      return async (question) => {
        const { text: plan } = await planner.generate({ prompt: question });
        return (await writer.generate({ prompt: plan })).text;
      };
    },
  },
];
