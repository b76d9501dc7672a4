import { instructionsOf } from '@agent-lightning/testing';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  createProviderRegistry,
  customProvider,
  defaultSettingsMiddleware,
  embed,
  embedMany,
  extractReasoningMiddleware,
  generateObject,
  generateText,
  isStepCount,
  Output,
  simulateStreamingMiddleware,
  streamObject,
  streamText,
  wrapLanguageModel,
  type LanguageModelMiddleware,
} from 'ai';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom, Surroundings } from '../idiom.ts';
import { asked, askWeather, modelOf, page, providerOf, weather } from './parts.ts';

const once = { selected: { writer: 1 } };
const person = z.object({ name: z.string() });
const ada = { script: { writer: ['{"name":"Ada {q}"}'] }, ...once };
const people = { script: { writer: ['{"elements":[{"name":"Ada {q}"},{"name":"Bob"}]}'] }, ...once };

/** Builds an idiom of a model that is wrapped by middleware of the AI SDK before it is wrapped by `withLightning`. */
function middlewareIdiom(name: string, middleware: LanguageModelMiddleware): Idiom {
  return {
    ...once,
    name: `middleware: ${name}`,
    source: page('ai-sdk-core/middleware'),
    build: (around) => {
      const inner = wrapLanguageModel({ model: providerOf(around)('own-model'), middleware });
      const model = around.wrap(inner, { name: 'writer' });
      return async (question) => {
        const streamed = await collect(streamText({ model, ...asked('writer', question) }).textStream);
        return streamed;
      };
    },
  };
}

const logged: LanguageModelMiddleware = {
  specificationVersion: 'v4',
  wrapStream: async ({ doStream }) => {
    const { stream, ...rest } = await doStream();
    return { stream: stream.pipeThrough(new TransformStream()), ...rest };
  },
};

const openaiOf = ({ openai, apiKey }: Surroundings) => createOpenAI({ baseURL: openai, apiKey });

const anthropicOf = ({ anthropic, apiKey }: Surroundings) => createAnthropic({ baseURL: `${anthropic}/v1`, apiKey });

/** Idioms of structured output, of middleware and of providers. */
export const models: readonly Idiom[] = [
  {
    ...ada,
    name: 'Output.object',
    source: page('ai-sdk-core/generating-structured-data'),
    build: (around) => {
      const model = modelOf(around);
      const output = Output.object({ schema: person });
      return async (question) => (await generateText({ model, output, ...asked('writer', question) })).output;
    },
  },
  {
    ...people,
    name: 'Output.array, streamed by its elements',
    source: page('ai-sdk-core/generating-structured-data#outputarray'),
    build: (around) => {
      const model = modelOf(around);
      const output = Output.array({ element: person });
      return (question) => collect(streamText({ model, output, ...asked('writer', question) }).elementStream);
    },
  },
  {
    name: 'Output.choice',
    source: page('ai-sdk-core/generating-structured-data#outputchoice'),
    script: { writer: ['{"result":"sunny"}'] },
    ...once,
    build: (around) => {
      const model = modelOf(around);
      const output = Output.choice({ options: ['sunny', 'rainy'] });
      return async (question) => (await generateText({ model, output, ...asked('writer', question) })).output;
    },
  },
  {
    ...ada,
    name: 'Output.json',
    source: page('ai-sdk-core/generating-structured-data#outputjson'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) =>
        (await generateText({ model, output: Output.json(), ...asked('writer', question) })).output;
    },
  },
  {
    ...ada,
    name: 'Output.object, streamed by its partial objects',
    source: page('ai-sdk-core/generating-structured-data#streaming-structured-data'),
    build: (around) => {
      const model = modelOf(around);
      const output = Output.object({ schema: person });
      return async (question) => {
        const result = streamText({ model, output, ...asked('writer', question) });
        return (await collect(result.partialOutputStream)).at(-1);
      };
    },
  },
  {
    name: 'an output with tools',
    source: page('ai-sdk-core/generating-structured-data#structured-output-with-tool-calling'),
    script: { writer: [askWeather, '{"name":"Ada {q}"}'] },
    selected: { writer: 2 },
    build: (around) => {
      const model = modelOf(around);
      const options = { tools: { weather }, stopWhen: isStepCount(3), output: Output.object({ schema: person }) };
      return async (question) => (await generateText({ model, ...options, ...asked('writer', question) })).output;
    },
  },
  {
    ...ada,
    name: 'generateObject',
    source: page('reference/ai-sdk-core/generate-object'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => (await generateObject({ model, schema: person, ...asked('writer', question) })).object;
    },
  },
  {
    ...ada,
    name: 'streamObject',
    source: page('reference/ai-sdk-core/stream-object'),
    build: (around) => {
      const model = modelOf(around);
      return async (question) => {
        const result = streamObject({ model, schema: person, ...asked('writer', question) });
        return [(await collect(result.partialObjectStream)).at(-1), await result.object];
      };
    },
  },
  middlewareIdiom('of your own', logged),
  middlewareIdiom('default settings', defaultSettingsMiddleware({ settings: { temperature: 0.2 } })),
  middlewareIdiom('reasoning that is extracted', extractReasoningMiddleware({ tagName: 'think' })),
  middlewareIdiom('streams that are simulated', simulateStreamingMiddleware()),
  {
    ...once,
    name: 'middleware around a wrapped model, which answers by itself the second time',
    source: page('ai-sdk-core/middleware#caching'),
    build: (around) => {
      const cache = new Map<string, unknown>();
      const middleware: LanguageModelMiddleware = {
        specificationVersion: 'v4',
        wrapGenerate: async ({ doGenerate, params }) => {
          const key = JSON.stringify(params.prompt);
          if (!cache.has(key)) cache.set(key, await doGenerate());
          return cache.get(key) as Awaited<ReturnType<typeof doGenerate>>;
        },
      };
      const model = wrapLanguageModel({ model: modelOf(around), middleware });
      return async (question) => [
        (await generateText({ model, ...asked('writer', question) })).text,
        (await generateText({ model, ...asked('writer', question) })).text,
      ];
    },
  },
  {
    ...once,
    name: 'a registry of providers',
    source: page('ai-sdk-core/provider-management#provider-registry'),
    build: (around) => {
      const registry = around.wrap(createProviderRegistry({ own: providerOf(around) }), { name: 'writer' });
      const model = registry.languageModel('own:own-model');
      return async (question) => (await generateText({ model, ...asked('writer', question) })).text;
    },
  },
  {
    ...once,
    name: 'a provider with names of its own',
    source: page('ai-sdk-core/provider-management#custom-providers'),
    build: (around) => {
      const own = providerOf(around);
      const provider = customProvider({ languageModels: { fast: own('own-model') }, fallbackProvider: own });
      const wrapped = around.wrap(provider, { name: 'writer' });
      return async (question) =>
        (await generateText({ model: wrapped.languageModel('fast'), ...asked('writer', question) })).text;
    },
  },
  {
    ...once,
    name: 'OpenAI’s provider, Chat Completions',
    source: 'https://ai-sdk.dev/providers/ai-sdk-providers/openai#chat-models',
    build: (around) => {
      const model = around.wrap(openaiOf(around).chat('own-model'), { name: 'writer' });
      return async (question) => (await generateText({ model, ...asked('writer', question) })).text;
    },
  },
  {
    name: 'OpenAI’s provider, Responses, with a tool',
    source: 'https://ai-sdk.dev/providers/ai-sdk-providers/openai#responses-models',
    script: { writer: [askWeather] },
    selected: { writer: 2 },
    build: (around) => {
      const model = around.wrap(openaiOf(around)('own-model'), { name: 'writer' });
      const options = { tools: { weather }, stopWhen: isStepCount(3) };
      return async (question) => (await generateText({ model, ...options, ...asked('writer', question) })).text;
    },
  },
  {
    ...once,
    name: 'OpenAI’s provider, Responses, streamed',
    source: 'https://ai-sdk.dev/providers/ai-sdk-providers/openai#responses-models',
    build: (around) => {
      const model = around.wrap(openaiOf(around)('own-model'), { name: 'writer' });
      return (question) => collect(streamText({ model, ...asked('writer', question) }).textStream);
    },
  },
  {
    name: 'Anthropic’s provider, with a tool',
    source: 'https://ai-sdk.dev/providers/ai-sdk-providers/anthropic',
    script: { writer: [askWeather] },
    selected: { writer: 2 },
    build: (around) => {
      const model = around.wrap(anthropicOf(around)('own-claude'), { name: 'writer' });
      const options = { tools: { weather }, stopWhen: isStepCount(3) };
      return async (question) => (await generateText({ model, ...options, ...asked('writer', question) })).text;
    },
  },
  {
    ...once,
    name: 'Anthropic’s provider, streamed, behind middleware',
    source: 'https://ai-sdk.dev/providers/ai-sdk-providers/anthropic',
    build: (around) => {
      const bare = wrapLanguageModel({ model: anthropicOf(around)('own-claude'), middleware: logged });
      const model = around.wrap(bare, { name: 'writer' });
      return (question) => collect(streamText({ model, ...asked('writer', question) }).textStream);
    },
  },
  {
    name: 'retrieval by embeddings before the answer',
    source: page('ai-sdk-core/embeddings'),
    ...once,
    kept: { nobody: 2 },
    build: (around) => {
      const model = modelOf(around);
      const embedding = providerOf(around).embeddingModel('own-embedding');
      return async (question) => {
        const { embeddings } = await embedMany({ model: embedding, values: [`a of ${question}`, `b of ${question}`] });
        const { embedding: found } = await embed({ model: embedding, value: question });
        return (await generateText({ model, ...asked('writer', `${question} ${embeddings.length} ${found.length}`) }))
          .text;
      };
    },
  },
  {
    name: 'calls side by side, and one that joins them',
    source: page('agents/workflows#parallel-processing'),
    selected: { security: 1, speed: 1 },
    kept: { boss: 1 },
    untraced: ['boss'],
    build: (around) => {
      const [security, speed] = [modelOf(around, 'security'), modelOf(around, 'speed')];
      const bare = providerOf(around)('own-model');
      return async (question) => {
        const reviews = await Promise.all([
          generateText({ model: security, ...asked('security', question) }),
          generateText({ model: speed, ...asked('speed', question) }),
        ]);
        const joined = reviews.map(({ text }) => text).join(' | ');
        return (await generateText({ model: bare, instructions: instructionsOf('boss'), prompt: joined })).text;
      };
    },
  },
  {
    name: 'routing by a classification',
    source: page('agents/workflows#routing'),
    script: { router: ['{"name":"refund {q}"}'] },
    selected: { writer: 1 },
    kept: { router: 1 },
    build: (around) => {
      const provider = around.wrap(providerOf(around), { agentMatch: 'answer' });
      return async (question) => {
        const route = await generateText({
          model: provider.languageModel('own-router'),
          output: Output.object({ schema: person }),
          ...asked('router', question),
          telemetry: { functionId: 'route' },
        });
        const { text } = await generateText({
          model: provider.languageModel('own-model'),
          telemetry: { functionId: 'answer' },
          ...asked('writer', `${question} ${route.output.name}`),
        });
        return text;
      };
    },
  },
  {
    name: 'an evaluator and an optimizer in a loop',
    source: page('agents/workflows#evaluator-optimizer'),
    script: { judge: ['{"name":"worse {q}"}', '{"name":"better {q}"}'], writer: ['draft one {q}', 'draft two {q}'] },
    selected: { writer: 2 },
    kept: { judge: 2 },
    untraced: ['judge'],
    build: (around) => {
      const model = modelOf(around);
      const judge = providerOf(around)('own-judge');
      return async (question) => {
        const drafts: string[] = [];
        for (let round = 0; round < 2; round++) {
          const { text } = await generateText({ model, ...asked('writer', `${question} ${drafts.join()}`) });
          const output = Output.object({ schema: person });
          const { output: verdict } = await generateText({
            model: judge,
            output,
            ...asked('judge', `${round} ${text}`),
          });
          drafts.push(text, verdict.name);
        }
        return drafts;
      };
    },
  },
];
