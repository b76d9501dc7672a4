import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { Annotation, Command, END, MessagesAnnotation, Send, START, StateGraph } from '@langchain/langgraph';
import { InMemoryCache } from '@langchain/langgraph-checkpoint';
import { ToolNode, toolsCondition } from '@langchain/langgraph/prebuilt';
import { z } from 'zod';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { answerAs, asked, openaiModel, page, prompt, State, texts, weather } from './parts.ts';

const topics = ['cats', 'dogs', 'owls'];

/** Idioms of the Graph API: nodes, edges and state. */
export const graphs: readonly Idiom[] = [
  {
    name: 'prompt chaining with a gate',
    source: page('langgraph/workflows-agents#prompt-chaining'),
    script: { joker: ['a joke {q}!'] },
    selected: { improver: 1 },
    kept: { joker: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('joker', answerAs(model, 'joker'))
        .addNode('improver', answerAs(model, 'improver'))
        .addNode('polisher', answerAs(model, 'polisher'))
        .addEdge(START, 'joker')
        .addConditionalEdges('joker', ({ answers }) => (answers[0]?.includes('!') ? 'Pass' : 'Fail'), {
          Pass: 'improver',
          Fail: 'polisher',
        })
        .addEdge('improver', END)
        .addEdge('polisher', END)
        .compile();
      const app = around.wrap(graph, { agentMatch: ['improver', 'polisher'] });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'parallel branches and an aggregator',
    source: page('langgraph/workflows-agents#parallelization'),
    selected: { poet: 1, joker: 1 },
    kept: { storyteller: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('poet', answerAs(model, 'poet'))
        .addNode('joker', answerAs(model, 'joker'))
        .addNode('storyteller', answerAs(model, 'storyteller'))
        .addNode('aggregator', ({ answers }) => ({ answers: [answers.join(' | ')] }))
        .addEdge(START, 'poet')
        .addEdge(START, 'joker')
        .addEdge(START, 'storyteller')
        .addEdge(['poet', 'joker', 'storyteller'], 'aggregator')
        .addEdge('aggregator', END)
        .compile();
      const app = around.wrap(graph, { agentMatch: /^(poet|joker)$/ });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'routing by structured output',
    source: page('langgraph/workflows-agents#routing'),
    script: { router: ['{"step":"poet"}'] },
    selected: { router: 1 },
    kept: { poet: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const router = model.withStructuredOutput(z.object({ step: z.enum(['poet', 'joker']) }), { name: 'route' });
      const graph = new StateGraph(State)
        .addNode('router', async ({ question }) => ({
          answers: [(await router.invoke(prompt('router', question))).step],
        }))
        .addNode('poet', answerAs(model, 'poet'))
        .addNode('joker', answerAs(model, 'joker'))
        .addEdge(START, 'router')
        .addConditionalEdges('router', ({ answers }) => answers[0]!, ['poet', 'joker'])
        .addEdge('poet', END)
        .addEdge('joker', END)
        .compile();
      const app = around.wrap(graph, { agentMatch: 'router' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'orchestrator and workers with Send',
    source: page('langgraph/workflows-agents#orchestrator-worker'),
    script: { planner: ['{"sections":["one {q}","two {q}","three {q}"]}'] },
    selected: { worker: 3 },
    kept: { planner: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const planner = model.withStructuredOutput(z.object({ sections: z.array(z.string()) }), {
        method: 'functionCalling',
        name: 'plan',
      });
      const Plan = Annotation.Root({ ...State.spec, sections: Annotation<string[]> });
      const graph = new StateGraph(Plan)
        .addNode('orchestrator', ({ question }) => planner.invoke(prompt('planner', question)))
        .addNode('worker', answerAs(model, 'worker'))
        .addEdge(START, 'orchestrator')
        .addConditionalEdges(
          'orchestrator',
          ({ sections }) => sections.map((section) => new Send('worker', { question: section })),
          ['worker'],
        )
        .addEdge('worker', END)
        .compile();
      const app = around.wrap(graph, { agentMatch: 'worker' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'evaluator and optimizer in a loop',
    source: page('langgraph/workflows-agents#evaluator-optimizer'),
    script: {
      evaluator: ['{"grade":"not funny","feedback":"more of {q}"}'],
      joker: ['first joke {q}', 'second joke {q}'],
    },
    selected: { joker: 2 },
    kept: { evaluator: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const schema = z.object({ grade: z.enum(['funny', 'not funny']), feedback: z.string() });
      const evaluator = model.withStructuredOutput(schema, { name: 'feedback' });
      const Loop = Annotation.Root({ ...State.spec, grade: Annotation<string>, rounds: Annotation<number> });
      const graph = new StateGraph(Loop)
        .addNode('generator', answerAs(model, 'joker'))
        .addNode('evaluator', async ({ question, rounds = 0 }) => {
          const { grade } = await evaluator.invoke(prompt('evaluator', question));
          return { grade: rounds > 0 ? 'funny' : grade, rounds: rounds + 1 };
        })
        .addEdge(START, 'generator')
        .addEdge('generator', 'evaluator')
        .addConditionalEdges('evaluator', ({ grade }) => (grade === 'funny' ? END : 'generator'))
        .compile();
      const app = around.wrap(graph, { agentMatch: 'generator' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'an agent loop of bindTools and ToolNode',
    source: page('langgraph/workflows-agents#agents'),
    script: { assistant: [[call('weather', { city: 'Oslo {q}' })]] },
    selected: { assistant: 2 },
    build: (around) => {
      const model = openaiModel(around).bindTools([weather]);
      const graph = new StateGraph(MessagesAnnotation)
        .addNode('llm', async ({ messages }) => ({
          messages: [await model.invoke([...prompt('assistant', 'help'), ...messages])],
        }))
        .addNode('tools', new ToolNode([weather]))
        .addEdge(START, 'llm')
        .addConditionalEdges('llm', toolsCondition, ['tools', END])
        .addEdge('tools', 'llm')
        .compile();
      const app = around.wrap(graph, { agentMatch: 'llm' });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'map and reduce over a list that is not known before',
    source: page('langgraph/use-graph-api#map-reduce-and-the-send-api'),
    selected: { joker: 3, judge: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('topics', () => ({ answers: [] }))
        .addNode('joke', answerAs(model, 'joker'))
        .addNode('best', ({ answers }) => answerAs(model, 'judge')({ question: answers.join(', ') }))
        .addEdge(START, 'topics')
        .addConditionalEdges(
          'topics',
          ({ question }) => topics.map((topic) => new Send('joke', { question: `${topic} for ${question}` })),
          ['joke'],
        )
        .addEdge('joke', 'best')
        .addEdge('best', END)
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'Command with goto and update',
    source: page('langgraph/use-graph-api#combine-control-flow-and-state-updates-with-command'),
    selected: { writer: 1 },
    kept: { triage: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const triage = async (state: { question: string }) =>
        new Command({ goto: 'writer', update: await answerAs(model, 'triage')(state) });
      const graph = new StateGraph(State)
        .addNode('triage', triage, { ends: ['writer', 'other'] })
        .addNode('writer', answerAs(model, 'writer'))
        .addNode('other', answerAs(model, 'other'))
        .addEdge(START, 'triage')
        .compile();
      const app = around.wrap(graph, { agentMatch: 'writer' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'a subgraph as a node',
    source: page('langgraph/use-subgraphs#add-a-subgraph-as-a-node'),
    selected: { writer: 1 },
    kept: { reader: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const team = new StateGraph(State)
        .addNode('reader', answerAs(model, 'reader'))
        .addNode('writer', answerAs(model, 'writer'))
        .addEdge(START, 'reader')
        .addEdge('reader', 'writer')
        .compile();
      const graph = new StateGraph(State)
        .addNode('reader', answerAs(model, 'reader'))
        .addNode('team', team)
        .addEdge(START, 'reader')
        .addEdge('reader', 'team')
        .compile();
      const app = around.wrap(graph, { agentMatch: 'team/writer' });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'a subgraph that a node calls',
    source: page('langgraph/use-subgraphs#call-a-subgraph-inside-a-node'),
    selected: { inner: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const child = new StateGraph(State).addNode('inner', answerAs(model, 'inner')).addEdge(START, 'inner').compile();
      const graph = new StateGraph(State)
        .addNode('outer', async ({ question }) => {
          const first = await child.invoke({ question });
          const second = await child.invoke({ question: `once more, ${question}` });
          return { answers: [...first.answers, ...second.answers] };
        })
        .addEdge(START, 'outer')
        .compile();
      const app = around.wrap(graph, { agentMatch: /^outer\/inner$/ });
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'Command to a node of the parent graph',
    source: page('langgraph/use-graph-api#navigate-to-a-node-in-a-parent-graph'),
    selected: { child: 1, sibling: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const child = async (state: { question: string }) =>
        new Command({ goto: 'sibling', graph: Command.PARENT, update: await answerAs(model, 'child')(state) });
      const subgraph = new StateGraph(State).addNode('child', child).addEdge(START, 'child').compile();
      const graph = new StateGraph(State)
        .addNode('team', subgraph, { ends: ['sibling'] })
        .addNode('sibling', answerAs(model, 'sibling'))
        .addEdge(START, 'team')
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'a node with a retry policy, whose model fails once',
    source: page('langgraph/use-graph-api#add-retry-policies'),
    script: { writer: [{ status: 500 }, 'at last {q}'] },
    selected: { writer: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', answerAs(model, 'writer'), {
          retryPolicy: { maxAttempts: 2, initialInterval: 1, retryOn: () => true, logWarning: false },
        })
        .addEdge(START, 'writer')
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'a cached node',
    source: page('langgraph/use-graph-api#add-node-caching'),
    selected: { writer: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', answerAs(model, 'writer'), { cachePolicy: { keyFunc: (args) => JSON.stringify(args) } })
        .addEdge(START, 'writer')
        .compile({ cache: new InMemoryCache() });
      const app = around.wrap(graph);
      return async (question) => [await app.invoke({ question }), await app.invoke({ question })];
    },
  },
  {
    name: 'a deferred node that waits for branches of different lengths',
    source: page('langgraph/use-graph-api#defer-node-execution'),
    selected: { scout: 1, writer: 1, editor: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('scout', answerAs(model, 'scout'))
        .addNode('note', () => ({ answers: ['noted'] }))
        .addNode('writer', answerAs(model, 'writer'))
        .addNode('editor', ({ answers }) => answerAs(model, 'editor')({ question: answers.join(', ') }), {
          defer: true,
        })
        .addEdge(START, 'scout')
        .addEdge(START, 'writer')
        .addEdge('scout', 'note')
        .addEdge('note', 'editor')
        .addEdge('writer', 'editor')
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question });
    },
  },
  {
    name: 'context of a run that chooses the agent',
    source: page('langgraph/graph-api#runtime-context'),
    selected: { pirate: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State, z.object({ persona: z.string() }))
        .addNode('writer', ({ question }, { context }) => answerAs(model, context?.persona ?? 'nobody')({ question }))
        .addEdge(START, 'writer')
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question }, { context: { persona: 'pirate' } });
    },
  },
  {
    name: 'a loop that the recursion limit ends',
    source: page('langgraph/use-graph-api#create-and-control-loops'),
    selected: { writer: 3 },
    build: (around) => {
      const model = openaiModel(around);
      const graph = new StateGraph(State)
        .addNode('writer', answerAs(model, 'writer'))
        .addEdge(START, 'writer')
        .addEdge('writer', 'writer')
        .compile();
      const app = around.wrap(graph);
      return (question) => app.invoke({ question }, { recursionLimit: 3 }).catch((error: Error) => error.name);
    },
  },
  {
    name: 'messages state that is trimmed before the call',
    source: page('langgraph/add-memory#trim-messages'),
    selected: { assistant: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const newest = (messages: readonly BaseMessage[]): BaseMessage[] => messages.slice(-1);
      const graph = new StateGraph(MessagesAnnotation)
        .addNode('assistant', async ({ messages }) => ({
          messages: [await model.invoke([...prompt('assistant', 'help').slice(0, 1), ...newest(messages)])],
        }))
        .addEdge(START, 'assistant')
        .compile();
      const app = around.wrap(graph);
      return async (question) =>
        texts(await app.invoke({ messages: [new AIMessage('hi'), ...asked(question).messages] }));
    },
  },
];
