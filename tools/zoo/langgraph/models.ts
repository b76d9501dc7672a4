import { instructionsOf } from '@agent-lightning/testing';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnableLambda, RunnableMap, RunnablePassthrough } from '@langchain/core/runnables';
import { START, StateGraph } from '@langchain/langgraph';
import { OpenAIEmbeddings } from '@langchain/openai';
import { initChatModel } from 'langchain';
import { z } from 'zod';
import type { Idiom } from '../idiom.ts';
import { collect } from '../collect.ts';
import { call } from '../provider/script.ts';
import { answerAs, inNode, openaiModel, page, prompt, State, weather } from './parts.ts';

const template = (agent: string): ChatPromptTemplate =>
  ChatPromptTemplate.fromMessages([
    ['system', instructionsOf(agent)],
    ['human', '{question}'],
  ]);

/** Idioms of models and runnables, as code in a node uses them. */
export const models: readonly Idiom[] = [
  {
    name: 'a chain of prompt, model and parser',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/RunnableSequence',
    selected: { writer: 1 },
    build: inNode((around) => {
      const chain = template('writer').pipe(openaiModel(around)).pipe(new StringOutputParser());
      return (question) => chain.invoke({ question });
    }),
  },
  {
    name: 'a chain that is streamed',
    source: page('langchain/models#stream'),
    selected: { writer: 1 },
    build: inNode((around) => {
      const chain = template('writer').pipe(openaiModel(around)).pipe(new StringOutputParser());
      return async (question) => (await collect(await chain.stream({ question }))).join('·');
    }),
  },
  {
    name: 'runnables side by side in a map',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/RunnableMap',
    selected: { joker: 1, poet: 1 },
    build: inNode((around) => {
      const model = openaiModel(around);
      const map = RunnableMap.from({ joke: template('joker').pipe(model), poem: template('poet').pipe(model) });
      return async (question) => {
        const { joke, poem } = await map.invoke({ question });
        return `${joke.text} ${poem.text}`;
      };
    }),
  },
  {
    name: 'a lambda in a sequence that passes its input through',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/RunnablePassthrough',
    selected: { reader: 1, writer: 1 },
    build: inNode((around) => {
      const model = openaiModel(around);
      const read = RunnableLambda.from(
        async ({ question }: { question: string }) => (await model.invoke(prompt('reader', question))).text,
      );
      const chain = RunnablePassthrough.assign({ facts: read })
        .pipe(RunnableLambda.from(({ facts }: Record<string, unknown>) => ({ question: String(facts) })))
        .pipe(template('writer'))
        .pipe(model);
      return async (question) => (await chain.invoke({ question })).text;
    }),
  },
  {
    name: 'a batch of calls',
    source: page('langchain/models#batch'),
    selected: { writer: 3 },
    build: inNode((around) => {
      const model = openaiModel(around);
      return async (question) => {
        const inputs = ['red', 'green', 'blue'].map((color) => prompt('writer', `${color} ${question}`));
        return (await model.batch(inputs)).map(({ text }) => text).join();
      };
    }),
  },
  {
    name: 'a batch of at most two calls at once',
    source: page('langchain/models#batch'),
    selected: { writer: 4 },
    build: inNode((around) => {
      const model = openaiModel(around);
      return async (question) => {
        const inputs = [1, 2, 3, 4].map((number) => prompt('writer', `${number} ${question}`));
        return (await model.batch(inputs, { maxConcurrency: 2 })).map(({ text }) => text).join();
      };
    }),
  },
  {
    name: 'a model that all rollouts share, with a queue of two',
    source: 'https://reference.langchain.com/javascript/langchain-core/utils/async_caller/AsyncCaller',
    selected: { writer: 2 },
    isSerial: true,
    build: inNode((around) => {
      const model = openaiModel(around, { maxConcurrency: 2 });
      return async (question) => {
        const answers = await Promise.all(
          [1, 2].map((number) => model.invoke(prompt('writer', `${number} ${question}`))),
        );
        return answers.map(({ text }) => text).join();
      };
    }),
  },
  {
    name: 'retries of a model by withRetry',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/Runnable/withRetry',
    script: { writer: [{ status: 503 }, 'at last {q}'] },
    selected: { writer: 2 },
    build: inNode((around) => {
      const model = openaiModel(around).withRetry({ stopAfterAttempt: 2 });
      return async (question) => (await model.invoke(prompt('writer', question))).text;
    }),
  },
  {
    name: 'a fallback to another provider',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/Runnable/withFallbacks',
    script: { writer: [{ status: 500 }, 'from the second {q}'] },
    selected: { writer: 2 },
    build: inNode((around) => {
      const model = openaiModel(around).withFallbacks([openaiModel(around, { model: 'own-second' })]);
      return async (question) => (await model.invoke(prompt('writer', question))).text;
    }),
  },
  {
    name: 'structured output by a JSON schema, with the raw message',
    source: page('langchain/models#structured-output'),
    script: { writer: ['{"title":"Heat {q}","year":1995}'] },
    selected: { writer: 1 },
    build: inNode((around) => {
      const schema = z.object({ title: z.string(), year: z.number() });
      const model = openaiModel(around).withStructuredOutput(schema, { name: 'movie', includeRaw: true });
      return async (question) => {
        const { parsed, raw } = await model.invoke(prompt('writer', question));
        return `${parsed.title} ${parsed.year} of ${raw.text}`;
      };
    }),
  },
  {
    name: 'structured output by a function, streamed',
    source: page('langchain/models#structured-output'),
    script: { writer: ['{"title":"Heat {q}"}'] },
    selected: { writer: 1 },
    build: inNode((around) => {
      const schema = z.object({ title: z.string() });
      const model = openaiModel(around).withStructuredOutput(schema, { method: 'functionCalling', name: 'movie' });
      return async (question) => JSON.stringify((await collect(await model.stream(prompt('writer', question)))).at(-1));
    }),
  },
  {
    name: 'initChatModel, configured for the run',
    source: page('langchain/models#configurable-models'),
    selected: { writer: 1 },
    build: inNode(async ({ openai, apiKey }) => {
      const model = await initChatModel(undefined, {
        modelProvider: 'openai',
        apiKey,
        configuration: { baseURL: openai },
      });
      const config = { configurable: { model: 'own-configured', modelProvider: 'openai' } };
      return async (question) => (await model.invoke(prompt('writer', question), config)).text;
    }),
  },
  {
    name: 'the Responses API',
    source: 'https://docs.langchain.com/oss/javascript/integrations/chat/openai#responses-api',
    script: { writer: [[call('weather', { city: 'Rome {q}' })]] },
    selected: { writer: 2 },
    build: inNode((around) => {
      const model = openaiModel(around, { useResponsesApi: true }).bindTools([weather]);
      return async (question) => {
        const first = await model.invoke(prompt('writer', question));
        const result = await weather.invoke(first.tool_calls![0]!);
        return (await model.invoke([...prompt('writer', question), first, result])).text;
      };
    }),
  },
  {
    name: 'the Responses API, streamed',
    source: 'https://docs.langchain.com/oss/javascript/integrations/chat/openai#responses-api',
    selected: { writer: 1 },
    build: inNode((around) => {
      const model = openaiModel(around, { useResponsesApi: true });
      return async (question) => {
        const chunks = await collect(await model.stream(prompt('writer', question)));
        return chunks.map(({ text }) => text).join('·');
      };
    }),
  },
  {
    name: 'retrieval by embeddings before the answer',
    source: page('langchain/retrieval'),
    selected: { writer: 1 },
    kept: { nobody: 2 },
    build: inNode((around) => {
      const model = openaiModel(around);
      const embeddings = new OpenAIEmbeddings({
        model: 'own-embedding',
        apiKey: around.apiKey,
        configuration: { baseURL: around.openai },
      });
      return async (question) => {
        const query = await embeddings.embedQuery(question);
        const documents = await embeddings.embedDocuments([`a of ${question}`, `b of ${question}`]);
        return (await model.invoke(prompt('writer', `${question}, found ${documents.length} of ${query.length}`))).text;
      };
    }),
  },
  {
    name: 'one model for a selected and for another node',
    source: page('langgraph/graph-api#nodes'),
    selected: { writer: 1 },
    kept: { checker: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addSequence({ writer: answerAs(model, 'writer'), checker: answerAs(model, 'checker') })
        .addEdge(START, 'writer')
        .compile();
      const app = around.wrap(graph, { agentMatch: /^writer/ });
      return (question) => app.invoke({ question });
    },
  },
];
