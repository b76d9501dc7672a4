import { run, tool, type Model } from '@openai/agents';
import { aisdk } from '@openai/agents-extensions/ai-sdk';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, guide, responsesModel, weather } from './parts.ts';

const writer = { selected: { writer: 1 } };
const writerWithTool = { script: { writer: [askWeather] }, selected: { writer: 2 } };

/** Idioms of streams, of the Responses API and of models of other packages. */
export const streaming: readonly Idiom[] = [
  {
    ...writer,
    name: 'a stream of text',
    source: guide('streaming#get-the-text-output'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const result = await run(app, question, { stream: true });
        const pieces = await collect(result.toTextStream() as AsyncIterable<string>);
        await result.completed;
        return pieces;
      };
    },
  },
  {
    ...writerWithTool,
    name: 'a stream of all events',
    source: guide('streaming#listen-to-all-events'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { tools: [weather] }));
      return async (question) => {
        const result = await run(app, question, { stream: true });
        const types = (await collect(result)).map((event) =>
          event.type === 'run_item_stream_event' ? event.name : event.type,
        );
        await result.completed;
        return [types, result.finalOutput];
      };
    },
  },
  {
    name: 'a stream that is left and then cancelled',
    source: guide('streaming'),
    ...writer,
    untraced: ['writer'],
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const result = await run(app, question, { stream: true });
        for await (const event of result) if (event.type === 'raw_model_stream_event') break;
        return result.currentAgent?.name;
      };
    },
  },
  {
    ...writer,
    name: 'the Responses API',
    source: guide('models'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { model: responsesModel(around) }));
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    ...writerWithTool,
    name: 'the Responses API, streamed, with a tool',
    source: guide('models'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { model: responsesModel(around), tools: [weather] }));
      return async (question) => {
        const result = await run(app, question, { stream: true });
        for await (const _event of result);
        await result.completed;
        return result.history;
      };
    },
  },
  {
    name: 'the Responses API with a handoff and reasoning settings',
    source: guide('models#modelsettings'),
    script: { triage: [[call('transfer_to_writer')]] },
    selected: { writer: 1 },
    kept: { triage: 1 },
    build: (around) => {
      const model = responsesModel(around);
      const modelSettings = { reasoning: { effort: 'low' }, text: { verbosity: 'low' } } as const;
      const next = agentOf(around, 'writer', { model, modelSettings });
      const app = around.wrap(agentOf(around, 'triage', { model, handoffs: [next] }), { agentMatch: 'writer' });
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    ...writerWithTool,
    name: 'a model of the AI SDK',
    source: 'https://openai.github.io/openai-agents-js/extensions/ai-sdk',
    build: (around) => {
      const provider = createOpenAICompatible({ name: 'own', baseURL: around.openai, apiKey: around.apiKey });
      const model = aisdk(provider('own-model')) as Model;
      const app = around.wrap(agentOf(around, 'writer', { model, tools: [weather] }));
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    ...writer,
    name: 'a model of the AI SDK, streamed',
    source: 'https://openai.github.io/openai-agents-js/extensions/ai-sdk',
    build: (around) => {
      const provider = createOpenAICompatible({ name: 'own', baseURL: around.openai, apiKey: around.apiKey });
      const app = around.wrap(agentOf(around, 'writer', { model: aisdk(provider('own-model')) as Model }));
      return async (question) => {
        const result = await run(app, question, { stream: true });
        const pieces = await collect(result.toTextStream() as AsyncIterable<string>);
        await result.completed;
        return pieces.join('');
      };
    },
  },
  {
    name: 'a tool with a time limit',
    source: guide('tools#function-tool-timeouts'),
    ...writerWithTool,
    build: (around) => {
      const quick = tool({
        name: 'weather',
        description: 'Tells the weather.',
        parameters: z.object({ city: z.string() }),
        timeoutMs: 60_000,
        execute: ({ city }) => `weather of ${city}`,
      });
      const app = around.wrap(agentOf(around, 'writer', { tools: [quick] }));
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
];
