import { instructionsOf } from '@agent-lightning/testing';
import { AIMessage, HumanMessage } from '@langchain/core/messages';
import { Command, MemorySaver } from '@langchain/langgraph';
import {
  contextEditingMiddleware,
  createAgent,
  createMiddleware,
  dynamicSystemPromptMiddleware,
  humanInTheLoopMiddleware,
  llmToolSelectorMiddleware,
  modelCallLimitMiddleware,
  modelFallbackMiddleware,
  modelRetryMiddleware,
  piiMiddleware,
  summarizationMiddleware,
  todoListMiddleware,
  tool,
  toolEmulatorMiddleware,
  toolRetryMiddleware,
  type AgentMiddleware,
} from 'langchain';
import { z } from 'zod';
import type { CallCounts, Idiom, Surroundings } from '../idiom.ts';
import { call, type Script } from '../provider/script.ts';
import { asked, openaiModel, page, texts, weather } from './parts.ts';

/** Returns a middleware as `createAgent` takes it: under exactOptionalPropertyTypes their types do not fit. */
const fit = (made: unknown): AgentMiddleware => made as AgentMiddleware;

const script: Script = { assistant: [[call('weather', { city: 'Oslo {q}' })]] };

interface MiddlewareIdiom {
  readonly name: string;
  readonly anchor: string;
  readonly script?: Script;
  readonly selected: CallCounts;
  readonly kept?: CallCounts;
  readonly untraced?: readonly string[];
  readonly middleware: (around: Surroundings) => unknown;
  readonly tools?: readonly (typeof weather)[];
}

/** Builds an idiom of an agent with one tool and one middleware. */
function withMiddleware({ name, anchor, middleware, tools = [weather], ...rest }: MiddlewareIdiom): Idiom {
  return {
    script,
    ...rest,
    name: `middleware: ${name}`,
    source: page(`langchain/middleware/${anchor}`),
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [...tools],
        systemPrompt: instructionsOf('assistant'),
        middleware: [fit(middleware(around))],
      });
      const app = around.wrap(agent);
      return async (question) => texts(await app.invoke(asked(question)));
    },
  };
}

/** Idioms of the middleware of `createAgent`. */
export const middleware: readonly Idiom[] = [
  withMiddleware({
    name: 'a system prompt that is made for each call',
    anchor: 'custom#dynamic-prompt',
    selected: { assistant: 2 },
    middleware: () =>
      dynamicSystemPromptMiddleware(({ messages }) => `${instructionsOf('assistant')} ${messages.length}`),
  }),
  withMiddleware({
    name: 'a fallback model',
    anchor: 'built-in#model-fallback',
    script: { assistant: [{ status: 500 }] },
    selected: { assistant: 2 },
    middleware: (around) => modelFallbackMiddleware(openaiModel(around, { model: 'own-second' })),
  }),
  withMiddleware({
    name: 'retries of the model',
    anchor: 'built-in#model-retry',
    script: { assistant: [{ status: 503 }] },
    selected: { assistant: 2 },
    middleware: () => modelRetryMiddleware({ maxRetries: 1, initialDelayMs: 1, jitter: false }),
  }),
  withMiddleware({
    name: 'retries of tools',
    anchor: 'built-in#tool-retry',
    selected: { assistant: 2 },
    middleware: () => toolRetryMiddleware({ maxRetries: 1, initialDelayMs: 1, jitter: false }),
  }),
  withMiddleware({
    name: 'a limit of model calls',
    anchor: 'built-in#model-call-limit',
    selected: { assistant: 1 },
    middleware: () => modelCallLimitMiddleware({ runLimit: 1, exitBehavior: 'end' } as never),
  }),
  withMiddleware({
    name: 'a list of what is to do',
    anchor: 'built-in#to-do-list',
    script: { assistant: [[call('write_todos', { todos: [{ content: 'work {q}', status: 'pending' }] })]] },
    selected: { assistant: 2 },
    middleware: () => todoListMiddleware(),
  }),
  withMiddleware({
    name: 'personal data that is redacted',
    anchor: 'built-in#pii-detection',
    selected: { assistant: 2 },
    middleware: () => piiMiddleware('email', { strategy: 'redact', applyToInput: true }),
  }),
  withMiddleware({
    name: 'old tool results that are cleared',
    anchor: 'built-in#context-editing',
    selected: { assistant: 2 },
    middleware: () => contextEditingMiddleware(),
  }),
  withMiddleware({
    name: 'a model that selects the tools',
    anchor: 'built-in#llm-tool-selector',
    script: { ...script, selector: ['{"tools":["weather"]}'] },
    selected: { assistant: 2 },
    kept: { selector: 2 },
    // LangChain keeps these calls from every callback.
    untraced: ['selector'],
    middleware: (around) =>
      llmToolSelectorMiddleware({
        model: openaiModel(around),
        maxTools: 1,
        systemPrompt: instructionsOf('selector'),
      } as never),
    tools: [
      weather,
      tool(() => 'noon', {
        name: 'clock',
        description: 'Tells the time.',
        schema: z.object({ city: z.string() }),
      }) as never,
    ],
  }),
  withMiddleware({
    name: 'a model that plays a tool',
    anchor: 'built-in#llm-tool-emulator',
    selected: { assistant: 2 },
    kept: { nobody: 1 },
    middleware: (around) => toolEmulatorMiddleware({ model: openaiModel(around) }),
  }),
  withMiddleware({
    name: 'a model that is chosen for each call',
    anchor: 'custom#dynamic-model-selection',
    selected: { assistant: 2 },
    middleware: (around) => {
      const second = openaiModel(around, { model: 'own-second' });
      return createMiddleware({
        name: 'choose',
        wrapModelCall: (request, handler) =>
          handler(request.messages.length > 1 ? { ...request, model: second } : request),
      });
    },
  }),
  withMiddleware({
    name: 'hooks before and after the model, and a jump to the end',
    anchor: 'custom#agent-jumps',
    selected: { assistant: 1 },
    middleware: () =>
      createMiddleware({
        name: 'jump',
        beforeModel: {
          canJumpTo: ['end'],
          hook: ({ messages }) => (messages.length > 2 ? { jumpTo: 'end' } : undefined),
        },
        afterModel: ({ messages }) => ({ messages: [new HumanMessage(`seen ${messages.length}`)] }),
      }),
  }),
  withMiddleware({
    name: 'tool calls that are wrapped',
    anchor: 'custom#wrap-style-hooks',
    selected: { assistant: 2 },
    middleware: () => createMiddleware({ name: 'watch', wrapToolCall: (request, handler) => handler(request) }),
  }),
  {
    name: 'middleware: a summary of a long history',
    source: page('langchain/middleware/built-in#summarization'),
    selected: { assistant: 1 },
    kept: { summarizer: 1 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [],
        systemPrompt: instructionsOf('assistant'),
        middleware: [
          fit(
            summarizationMiddleware({
              model: openaiModel(around),
              trigger: { messages: 3 },
              keep: { messages: 1 },
              summaryPrompt: `${instructionsOf('summarizer')} {messages}`,
            } as never),
          ),
        ],
      });
      const app = around.wrap(agent);
      return async (question) => {
        const history = [new HumanMessage(`hello ${question}`), new AIMessage(`hi ${question}`)];
        return texts(await app.invoke({ messages: [...history, new HumanMessage(question)] }));
      };
    },
  },
  {
    name: 'middleware: a human who approves a tool call',
    source: page('langchain/human-in-the-loop'),
    script,
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [weather],
        systemPrompt: instructionsOf('assistant'),
        checkpointer: new MemorySaver(),
        middleware: [fit(humanInTheLoopMiddleware({ interruptOn: { weather: true } } as never))],
      });
      const app = around.wrap(agent);
      return async (question) => {
        const config = { configurable: { thread_id: question } };
        const stopped = await app.invoke(asked(question), config);
        const resume = new Command({ resume: { decisions: [{ type: 'approve' }] } });
        return [texts(stopped), texts(await app.invoke(resume, config))];
      };
    },
  },
];
