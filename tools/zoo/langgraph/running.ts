import {
  Command,
  entrypoint,
  getPreviousState,
  getWriter,
  interrupt,
  InMemoryStore,
  MemorySaver,
  START,
  StateGraph,
  task,
} from '@langchain/langgraph';
import { collect } from '../collect.ts';
import type { Idiom, Surroundings } from '../idiom.ts';
import { answerAs, openaiModel, page, prompt, State } from './parts.ts';

/** A graph of a reader and a writer. */
function pair(around: Surroundings) {
  const model = openaiModel(around);
  return new StateGraph(State)
    .addNode('reader', answerAs(model, 'reader'))
    .addNode('writer', answerAs(model, 'writer'))
    .addEdge(START, 'reader')
    .addEdge('reader', 'writer');
}

const thread = (question: string) => ({ configurable: { thread_id: question } });

const counts = { selected: { writer: 1 }, kept: { reader: 1 } };

/** Idioms of running a graph: streams, checkpoints, interrupts, and the functional API. */
export const running: readonly Idiom[] = [
  ...(['values', 'updates', 'debug', 'tasks'] as const).map((streamMode): Idiom => ({
    ...counts,
    name: `stream mode ${streamMode}`,
    source: page('langgraph/streaming#supported-stream-modes'),
    build: (around) => {
      const app = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      return async (question) => {
        const parts = await collect(await app.stream({ question }, { streamMode }));
        return streamMode === 'values' || streamMode === 'updates' ? parts : parts.length;
      };
    },
  })),
  {
    ...counts,
    name: 'stream mode messages, of one node',
    source: page('langgraph/streaming#filter-by-node'),
    build: (around) => {
      const app = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      return async (question) => {
        const parts = await collect(await app.stream({ question }, { streamMode: 'messages' }));
        return parts.filter(([, { langgraph_node: node }]) => node === 'writer').map(([message]) => message.text);
      };
    },
  },
  {
    name: 'custom data in a stream of several modes',
    source: page('langgraph/streaming#stream-custom-data'),
    selected: { writer: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', async (state, config) => {
          config.writer?.({ progress: 'begun' });
          const answer = await answerAs(model, 'writer')(state);
          getWriter()?.({ progress: 'done' });
          return answer;
        })
        .addEdge(START, 'writer')
        .compile();
      const app = around.wrap(graph);
      return async (question) => collect(await app.stream({ question }, { streamMode: ['custom', 'updates'] }));
    },
  },
  {
    name: 'a stream with its subgraphs',
    source: page('langgraph/streaming#stream-subgraph-outputs'),
    selected: { reader: 1, writer: 1 },
    build: (around) => {
      const graph = new StateGraph(State).addNode('team', pair(around).compile()).addEdge(START, 'team').compile();
      const app = around.wrap(graph, { agentMatch: /^team/ });
      return async (question) => {
        const parts = await collect(await app.stream({ question }, { streamMode: 'updates', subgraphs: true }));
        return parts.map(([path, update]) => [path.length, update]);
      };
    },
  },
  {
    ...counts,
    // After the last part that calls a model: before it, LangGraph may or may not have begun the next node, wrapped or not.
    name: 'a stream that is left before its end',
    source: page('langgraph/streaming'),
    build: (around) => {
      const app = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      return async (question) => {
        for await (const part of await app.stream({ question }, { streamMode: 'updates' }))
          if ('writer' in (part as object)) return part as unknown;
        return undefined;
      };
    },
  },
  {
    ...counts,
    name: 'streamEvents',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/Runnable/streamEvents',
    build: (around) => {
      const app = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      return async (question) => {
        const events = await collect(app.streamEvents({ question }, { version: 'v2' }));
        return events.map(({ event, name }) => `${event} ${name}`);
      };
    },
  },
  {
    name: 'a batch of questions to a graph',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/Runnable/batch',
    selected: { writer: 2 },
    kept: { reader: 2 },
    build: (around) => {
      const app = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      return (question) => app.batch([{ question }, { question: `again ${question}` }]);
    },
  },
  {
    ...counts,
    name: 'configuration of a graph by withConfig',
    source: 'https://reference.langchain.com/javascript/langchain-core/runnables/Runnable/withConfig',
    build: (around) => {
      const graph = around.wrap(pair(around).compile(), { agentMatch: 'writer' });
      const app = graph.withConfig({ tags: ['mine'], metadata: { team: 'a' }, runName: 'my run' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'a human who reviews in an interrupt',
    source: page('langgraph/interrupts#review-and-edit-state'),
    selected: { writer: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', answerAs(model, 'writer'))
        .addNode('review', ({ answers }) => ({ answers: [interrupt<unknown, string>({ review: answers[0] })] }))
        .addNode('rewriter', ({ answers }) => answerAs(model, 'writer')({ question: answers.at(-1)! }))
        .addEdge(START, 'writer')
        .addEdge('writer', 'review')
        .addEdge('review', 'rewriter')
        .compile({ checkpointer: new MemorySaver() });
      const app = around.wrap(graph);
      return async (question) => {
        const { __interrupt__: asked } = (await app.invoke({ question }, thread(question))) as never;
        const edited = new Command({ resume: `edited ${question}` });
        return [(asked as { value: unknown }[])[0]?.value, await app.invoke(edited as never, thread(question))];
      };
    },
  },
  {
    name: 'an approval that chooses the way',
    source: page('langgraph/interrupts#approve-or-reject'),
    selected: { writer: 1 },
    build: (around) => {
      const gate = () => new Command({ goto: interrupt('Go on?') === true ? 'writer' : 'other' });
      const graph = new StateGraph(State)
        .addNode('gate', gate, { ends: ['writer', 'other'] })
        .addNode('writer', answerAs(openaiModel(around), 'writer'))
        .addNode('other', () => ({ answers: ['refused'] }))
        .addEdge(START, 'gate')
        .compile({ checkpointer: new MemorySaver() });
      const app = around.wrap(graph, { agentMatch: 'writer' });
      return async (question) => {
        await app.invoke({ question }, thread(question));
        return app.invoke(new Command({ resume: true }) as never, thread(question));
      };
    },
  },
  {
    name: 'an interrupt before a node, which null resumes',
    source: page('langgraph/interrupts#debugging-with-interrupts'),
    ...counts,
    build: (around) => {
      const graph = pair(around).compile({ checkpointer: new MemorySaver(), interruptBefore: ['writer'] });
      const app = around.wrap(graph, { agentMatch: 'writer' });
      return async (question) => {
        await app.invoke({ question }, thread(question));
        const { next } = await app.getState(thread(question));
        return [next, await app.invoke(null, thread(question))];
      };
    },
  },
  {
    name: 'time travel to an earlier checkpoint',
    source: page('langgraph/use-time-travel'),
    selected: { writer: 2 },
    kept: { reader: 1 },
    build: (around) => {
      const app = around.wrap(pair(around).compile({ checkpointer: new MemorySaver() }), { agentMatch: 'writer' });
      return async (question) => {
        await app.invoke({ question }, thread(question));
        const states = await collect(app.getStateHistory(thread(question)));
        const before = states.find(({ next }) => next.includes('writer'))!;
        const fork = await app.updateState(before.config, { question: `another ${question}` });
        return app.invoke(null, fork);
      };
    },
  },
  {
    name: 'a memory that threads share in a store',
    source: page('langgraph/add-memory#long-term-memory'),
    selected: { writer: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', async ({ question }, { store, configurable }) => {
          const space = ['memories', String(configurable?.['user'])];
          const known = await store!.search(space);
          await store!.put(space, String(known.length), { question });
          return answerAs(model, 'writer')({ question: `${question} with ${known.length} memories` });
        })
        .addEdge(START, 'writer')
        .compile({ store: new InMemoryStore(), checkpointer: new MemorySaver() });
      const app = around.wrap(graph);
      return async (question) => {
        // With an end: LangGraph's store finds the memories of user 10 under the name of user 1, too.
        const user = `user of ${question}.`;
        await app.invoke({ question }, { configurable: { thread_id: `1 ${question}`, user } });
        return app.invoke({ question }, { configurable: { thread_id: `2 ${question}`, user } });
      };
    },
  },
  {
    name: 'entrypoint and tasks, side by side',
    source: page('langgraph/use-functional-api#parallel-execution'),
    selected: { writer: 2 },
    kept: { judge: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const write = task('write', async (question: string) => (await model.invoke(prompt('writer', question))).text);
      const judge = task(
        'judge',
        async (drafts: string[]) => (await model.invoke(prompt('judge', drafts.join()))).text,
      );
      const workflow = entrypoint('workflow', async (question: string) => {
        const drafts = await Promise.all([write(`one ${question}`), write(`two ${question}`)]);
        return judge(drafts);
      });
      const app = around.wrap(workflow, { agentMatch: 'write' });
      return (question) => app.invoke(question);
    },
  },
  {
    name: 'entrypoint that knows what it returned before',
    source: page('langgraph/functional-api#short-term-memory'),
    selected: { writer: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const checkpointer = new MemorySaver();
      const workflow = entrypoint({ name: 'workflow', checkpointer }, async (question: string) => {
        const previous = getPreviousState<string>();
        const { text } = await model.invoke(prompt('writer', `${question} after ${String(previous ?? 'nothing')}`));
        return text;
      });
      const app = around.wrap(workflow);
      return async (question) => [
        await app.invoke(question, thread(question)),
        await app.invoke(question, thread(question)),
      ];
    },
  },
  {
    name: 'entrypoint with an interrupt between tasks',
    source: page('langgraph/use-functional-api#human-in-the-loop'),
    selected: { writer: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const write = task('write', async (question: string) => (await model.invoke(prompt('writer', question))).text);
      const workflow = entrypoint({ name: 'workflow', checkpointer: new MemorySaver() }, async (question: string) => {
        const first = await write(question);
        const feedback = interrupt<string, string>(first);
        return write(`${first} ${feedback}`);
      });
      const app = around.wrap(workflow, { agentMatch: 'write' });
      return async (question) => {
        await app.invoke(question, thread(question));
        return app.invoke(new Command({ resume: 'better' }), thread(question));
      };
    },
  },
];
