import { instructionsOf } from '@agent-lightning/testing';
import {
  createUIMessageStream,
  dynamicTool,
  generateText,
  hasToolCall,
  isStepCount,
  smoothStream,
  streamText,
  tool,
  type ModelMessage,
  type ToolApprovalResponse,
} from 'ai';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, asked, askWeather, modelOf, page, providerOf, weather } from './parts.ts';

const once = { selected: { writer: 1 } };
const withTool = { script: { writer: [askWeather] }, selected: { writer: 2 } };
const tools = { weather };
const stopWhen = isStepCount(5);

async function answerApproval(
  model: ReturnType<typeof modelOf>,
  question: string,
  approved: boolean,
): Promise<unknown> {
  const settings = {
    model,
    tools,
    toolApproval: { weather: 'user-approval' },
    stopWhen,
    instructions: instructionsOf('writer'),
  } as const;
  const messages: ModelMessage[] = [{ role: 'user', content: question }];
  const first = await generateText({ ...settings, messages });
  messages.push(...first.responseMessages);
  const answers = first.content
    .filter((part) => part.type === 'tool-approval-request')
    .map(({ approvalId }): ToolApprovalResponse => ({ type: 'tool-approval-response', approvalId, approved }));
  messages.push({ role: 'tool', content: answers });
  const { text, steps } = await generateText({ ...settings, messages });
  return [answers.length, text, steps.length];
}

/** Idioms of `generateText` and `streamText` with a wrapped model. */
export const text: readonly Idiom[] = [
  {
    ...once,
    name: 'generateText',
    source: page('ai-sdk-core/generating-text#generatetext'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const { text: answer, finishReason, usage } = await generateText({ model, ...asked('writer', question) });
        return [answer, finishReason, usage.totalTokens];
      };
    },
  },
  {
    ...once,
    name: 'generateText with messages and settings',
    source: page('ai-sdk-core/settings'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const messages: ModelMessage[] = [
          { role: 'user', content: 'hello' },
          { role: 'assistant', content: 'hi' },
          { role: 'user', content: [{ type: 'text', text: question }] },
        ];
        const settings = { temperature: 0.3, maxOutputTokens: 50, seed: 7, headers: { 'x-mine': 'yes' } };
        return (await generateText({ model, instructions: instructionsOf('writer'), messages, ...settings })).text;
      };
    },
  },
  {
    ...once,
    name: 'streamText, its text',
    source: page('ai-sdk-core/generating-text#streamtext'),
    build: (around) => {
      const model = modelOf(around);
      return (question) => collect(streamText({ model, ...asked('writer', question) }).textStream);
    },
  },
  {
    ...withTool,
    name: 'streamText, all of its parts',
    source: page('ai-sdk-core/generating-text#fullstream-property'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const result = streamText({ model, tools, stopWhen, ...asked('writer', question) });
        return [
          (await collect(result.fullStream)).map(({ type }) => type),
          await result.text,
          (await result.steps).length,
        ];
      };
    },
  },
  {
    ...once,
    name: 'streamText, smoothed and transformed',
    source: page('ai-sdk-core/generating-text#stream-transformation'),
    build: (around) => {
      const model = modelOf(around);
      const transform = smoothStream({ delayInMs: null, chunking: 'word' });
      return (question) =>
        collect(streamText({ model, experimental_transform: transform, ...asked('writer', question) }).textStream);
    },
  },
  {
    ...withTool,
    name: 'a stream of UI messages',
    source: page('ai-sdk-ui/stream-protocol'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const result = streamText({ model, tools, stopWhen, ...asked('writer', question) });
        return (await collect(result.toUIMessageStream())).map(({ type }) => type);
      };
    },
  },
  {
    ...once,
    name: 'a stream of UI messages with data of the app',
    source: page('ai-sdk-ui/streaming-data'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const stream = createUIMessageStream({
          execute: ({ writer }) => {
            writer.write({ type: 'data-notification', data: 'begun' });
            writer.merge(streamText({ model, ...asked('writer', question) }).toUIMessageStream());
          },
        });
        return (await collect(stream)).map(({ type }) => type);
      };
    },
  },
  {
    ...withTool,
    name: 'tools in several steps',
    source: page('ai-sdk-core/tools-and-tool-calling#multi-step-calls-using-stopwhen'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const seen: string[] = [];
        const { text: answer } = await generateText({
          model,
          tools,
          stopWhen,
          ...asked('writer', question),
          onStepFinish: ({ finishReason, toolCalls }) => void seen.push(`${finishReason} ${toolCalls.length}`),
        });
        return [answer, seen];
      };
    },
  },
  {
    name: 'three tool calls at once',
    source: page('ai-sdk-core/tools-and-tool-calling'),
    script: { writer: [['Oslo', 'Rome', 'Bonn'].map((city) => call('weather', { city: `${city} {q}` }))] },
    selected: { writer: 2 },
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const { steps } = await generateText({ model, tools, stopWhen, ...asked('writer', question) });
        return steps.map(({ toolResults }) => toolResults.map(({ output }) => output));
      };
    },
  },
  {
    name: 'a loop that stops at a tool that answers',
    source: page('agents/loop-control#built-in-conditions'),
    script: { writer: [askWeather, [call('answer', { text: 'done {q}' })]] },
    selected: { writer: 2 },
    build: (around) => {
      const model = modelOf(around);
      const answer = tool({ description: 'Answers.', inputSchema: z.object({ text: z.string() }) });
      return async (question) => {
        const stop = [hasToolCall('answer'), isStepCount(9)];
        const options = { model, tools: { weather, answer }, stopWhen: stop, toolChoice: 'required' } as const;
        const { toolCalls } = await generateText({ ...options, ...asked('writer', question) } as never);
        return toolCalls.map(({ input }) => input as unknown);
      };
    },
  },
  {
    ...withTool,
    name: 'prepareStep, which changes tools and messages',
    source: page('agents/loop-control#prepare-step'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const { text: answer } = await generateText({
          model,
          tools,
          stopWhen,
          ...asked('writer', question),
          prepareStep: ({ stepNumber, messages }) =>
            stepNumber === 0
              ? { toolChoice: 'required' }
              : {
                  activeTools: [],
                  messages: messages.slice(-3),
                },
        });
        return answer;
      };
    },
  },
  {
    name: 'prepareStep, which changes to a model that nobody wrapped',
    source: page('agents/loop-control#dynamic-model-selection'),
    script: { writer: [askWeather] },
    selected: { writer: 1 },
    kept: { judge: 1 },
    // A bare model of an operation is outside every wrapped agent.
    untraced: ['judge'],
    build: (around) => {
      const model = modelOf(around);
      const bare = providerOf(around)('own-other');
      return async (question) => {
        const { text: answer } = await generateText({
          model,
          tools,
          stopWhen,
          ...asked('writer', question),
          prepareStep: ({ stepNumber }) =>
            stepNumber === 0 ? {} : { model: bare, instructions: instructionsOf('judge') },
        });
        return answer;
      };
    },
  },
  {
    name: 'an agent that a tool of a wrapped model calls, and nobody wrapped',
    source: page('agents/subagents'),
    script: { writer: [[call('research', { task: 'look up {q}' })]] },
    selected: { writer: 2 },
    kept: { helper: 1 },
    build: (around) => {
      const model = modelOf(around);
      const helper = agentOf(around, 'helper');
      const research = tool({
        description: 'Researches.',
        inputSchema: z.object({ task: z.string() }),
        execute: async ({ task }) => (await helper.generate({ prompt: task })).text,
      });
      return async (question) =>
        (await generateText({ model, tools: { research }, stopWhen, ...asked('writer', question) })).text;
    },
  },
  {
    name: 'a tool call that is repaired',
    source: page('ai-sdk-core/tools-and-tool-calling#tool-call-repair'),
    script: { writer: [[call('weather', { town: 'Oslo {q}' })]] },
    selected: { writer: 2 },
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const { steps } = await generateText({
          model,
          tools,
          stopWhen,
          ...asked('writer', question),
          experimental_repairToolCall: ({ toolCall }) =>
            Promise.resolve({
              ...toolCall,
              input: toolCall.input.replace('town', 'city'),
            }),
        });
        return steps.map(({ toolResults }) => toolResults.map(({ output }) => output));
      };
    },
  },
  {
    ...withTool,
    name: 'a tool whose type is not known before',
    source: page('ai-sdk-core/tools-and-tool-calling#dynamic-tools'),
    build: (around) => {
      const model = modelOf(around);
      const execute = (input: unknown) => Promise.resolve(`weather of ${JSON.stringify(input)}`);
      const loose = dynamicTool({ description: 'Tells the weather.', inputSchema: z.object({}).loose(), execute });
      return async (question) =>
        (await generateText({ model, tools: { weather: loose }, stopWhen, ...asked('writer', question) })).text;
    },
  },
  {
    ...withTool,
    name: 'a tool that throws',
    source: page('ai-sdk-core/tools-and-tool-calling#handling-errors'),
    build: (around) => {
      const model = modelOf(around);
      const broken = tool({ ...weather, execute: () => Promise.reject(new RangeError('no weather')) });
      return async (question) => {
        const { steps } = await generateText({
          model,
          tools: { weather: broken },
          stopWhen,
          ...asked('writer', question),
        });
        return steps.map(({ content }) => content.map(({ type }) => type));
      };
    },
  },
  {
    ...withTool,
    name: 'a tool that gives preliminary results',
    source: page('ai-sdk-core/tools-and-tool-calling#preliminary-tool-results'),
    build: (around) => {
      const model = modelOf(around);
      const slow = tool({
        description: 'Tells the weather.',
        inputSchema: z.object({ city: z.string() }),
        async *execute({ city }) {
          yield `looking at ${city}`;
          await Promise.resolve();
          yield `sunny in ${city}`;
        },
      });
      return async (question) => {
        const result = streamText({ model, tools: { weather: slow }, stopWhen, ...asked('writer', question) });
        const parts = await collect(result.fullStream);
        return parts.filter((part) => part.type === 'tool-result').map((part) => (part as { output: unknown }).output);
      };
    },
  },
  {
    ...withTool,
    name: 'a human who approves a tool call',
    source: page('ai-sdk-core/tools-and-tool-calling#tool-execution-approval'),
    build: (around) => {
      const model = modelOf(around);
      return (question) => answerApproval(model, question, true);
    },
  },
  {
    ...withTool,
    name: 'a human who denies a tool call',
    source: page('ai-sdk-core/tools-and-tool-calling#tool-execution-approval'),
    build: (around) => {
      const model = modelOf(around);
      return (question) => answerApproval(model, question, false);
    },
  },
  {
    ...withTool,
    name: 'context of tools',
    source: page('ai-sdk-core/runtime-and-tool-context'),
    build: (around) => {
      const model = modelOf(around);
      const counting = tool({
        ...weather,
        execute: (_input, { messages, toolCallId }) => `${messages.length} messages before ${toolCallId.slice(0, 4)}`,
      });
      return async (question) => {
        const { steps } = await generateText({
          model,
          tools: { weather: counting },
          stopWhen,
          ...asked('writer', question),
        });
        return steps.map(({ toolResults }) => toolResults.map(({ output }) => output));
      };
    },
  },
];
