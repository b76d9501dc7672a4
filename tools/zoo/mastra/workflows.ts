import type { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { InMemoryStore } from '@mastra/core/storage';
import { createTool } from '@mastra/core/tools';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom, Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, page } from './parts.ts';

const text = z.object({ prompt: z.string() });
const texts = z.array(text);

/** A step that asks an agent. */
function ask(agent: Agent, id: string = agent.id) {
  return createStep({
    id,
    inputSchema: text,
    outputSchema: text,
    execute: async ({ inputData }) => ({ prompt: (await agent.generate(inputData.prompt)).text }),
  });
}

// Mastra's types of a workflow and of a step do not fit each other under exactOptionalPropertyTypes.
type Step = ReturnType<typeof ask>;
type Flow = ReturnType<ReturnType<typeof flowOf>['commit']>;
const asStep = (step: unknown) => step as Step;

const flowOf = (id: string) => createWorkflow({ id, inputSchema: text, outputSchema: text });

interface FlowIdiom {
  readonly name: string;
  readonly source: string;
  readonly agents: readonly string[];
  readonly agentMatch: string | RegExp;
  readonly counts: Pick<Idiom, 'selected' | 'kept' | 'script'>;
  readonly flow: (agents: Readonly<Record<string, Agent>>) => unknown;
}

const agentsOf = (around: Surroundings, ids: readonly string[]): Record<string, Agent> =>
  Object.fromEntries(ids.map((id) => [id, agentOf(around, id)]));

/** Builds an idiom of a workflow on an instance, whose agents are registered there. */
function flowIdiom({ name, source, agents: ids, agentMatch, counts, flow }: FlowIdiom): Idiom {
  return {
    ...counts,
    name: `workflow: ${name}`,
    source: page(`workflows/${source}`),
    build: (around) => {
      const agents = agentsOf(around, ids);
      const workflows = { main: flow(agents) as Flow };
      const mastra = around.wrap(new Mastra({ agents, workflows, logger: false }), { agentMatch });
      return async (question) => {
        const run = await mastra.getWorkflow('main').createRun();
        const { status, ...rest } = await run.start({ inputData: { prompt: question } });
        return [status, (rest as { result?: unknown }).result];
      };
    },
  };
}

const pair = { selected: { writer: 1 }, kept: { reader: 1 } };

/** Idioms of workflows. */
export const workflows: readonly Idiom[] = [
  flowIdiom({
    name: 'one step after the other',
    source: 'overview',
    agents: ['reader', 'writer'],
    agentMatch: 'writer',
    counts: pair,
    flow: ({ reader, writer }) => flowOf('main').then(ask(reader!)).then(ask(writer!)).commit(),
  }),
  flowIdiom({
    name: 'steps side by side',
    source: 'control-flow#simultaneous-steps-with-parallel',
    agents: ['left', 'right', 'writer'],
    agentMatch: /^main\/(left|join)\//,
    counts: { selected: { left: 1, writer: 1 }, kept: { right: 1 } },
    flow: ({ left, right, writer }) =>
      flowOf('main')
        .parallel([ask(left!), ask(right!)])
        .map(({ inputData }) => Promise.resolve({ prompt: JSON.stringify(inputData) }))
        .then(ask(writer!, 'join'))
        .commit(),
  }),
  flowIdiom({
    name: 'a branch',
    source: 'control-flow#conditional-logic-with-branch',
    agents: ['reader', 'writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 1 } },
    flow: ({ reader, writer }) =>
      flowOf('main')
        .branch([
          [({ inputData }) => Promise.resolve(inputData.prompt === ''), ask(reader!)],
          [({ inputData }) => Promise.resolve(inputData.prompt !== ''), ask(writer!)],
        ])
        .commit(),
  }),
  flowIdiom({
    name: 'a loop until an end',
    source: 'control-flow#looping-steps',
    agents: ['writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 2 }, script: { writer: ['draft {q}', 'better {q}'] } },
    flow: ({ writer }) =>
      flowOf('main')
        .dountil(ask(writer!), ({ iterationCount }) => Promise.resolve(iterationCount >= 2))
        .commit(),
  }),
  flowIdiom({
    name: 'a step for each item, two at once',
    source: 'control-flow#looping-with-foreach',
    agents: ['writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 3 } },
    flow: ({ writer }) =>
      createWorkflow({ id: 'main', inputSchema: text, outputSchema: texts })
        .map(({ inputData: { prompt } }) =>
          Promise.resolve([1, 2, 3].map((number) => ({ prompt: `${number} ${prompt}` }))),
        )
        .foreach(ask(writer!) as never, { concurrency: 2 })
        .commit(),
  }),
  flowIdiom({
    name: 'a workflow as a step',
    source: 'overview#workflows-as-steps',
    agents: ['reader', 'writer'],
    agentMatch: 'main/inner/writer/writer',
    counts: pair,
    flow: ({ reader, writer }) =>
      flowOf('main')
        .then(ask(reader!))
        .then(asStep(flowOf('inner').then(ask(writer!)).commit()))
        .commit(),
  }),
  flowIdiom({
    name: 'an agent as a step',
    source: 'agents-and-tools#agents-as-steps',
    agents: ['writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 1 } },
    flow: ({ writer }) =>
      createWorkflow({ id: 'main', inputSchema: text, outputSchema: z.object({ text: z.string() }) })
        .then(createStep(writer!) as never)
        .commit(),
  }),
  flowIdiom({
    name: 'a tool as a step',
    source: 'agents-and-tools#using-tools-in-workflows',
    agents: ['writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 1 } },
    flow: ({ writer }) => {
      const look = createTool({
        id: 'look',
        description: 'Looks.',
        inputSchema: text,
        outputSchema: text,
        execute: ({ prompt }) => Promise.resolve({ prompt: `${prompt} looked up` }),
      });
      return flowOf('main')
        .then(asStep(createStep(look)))
        .then(ask(writer!))
        .commit();
    },
  }),
  flowIdiom({
    name: 'a step that is tried again after the model failed',
    source: 'error-handling#retries',
    agents: ['writer'],
    agentMatch: 'writer',
    counts: { selected: { writer: 2 }, script: { writer: [{ status: 500 }] } },
    flow: ({ writer }) =>
      createWorkflow({ id: 'main', inputSchema: text, outputSchema: text, retryConfig: { attempts: 1, delay: 1 } })
        .then(ask(writer!))
        .commit(),
  }),
  {
    ...pair,
    name: 'workflow: a stream',
    source: page('streaming/workflow-streaming'),
    build: (around) => {
      const agents = agentsOf(around, ['reader', 'writer']);
      const main = flowOf('main').then(ask(agents['reader']!)).then(ask(agents['writer']!)).commit();
      const mastra = around.wrap(new Mastra({ agents, workflows: { main }, logger: false }), { agentMatch: 'writer' });
      return async (question) => {
        const run = await mastra.getWorkflow('main').createRun();
        const stream = run.stream({ inputData: { prompt: question } });
        const parts = await collect(stream.fullStream as unknown as AsyncIterable<{ type: string }>);
        return [parts.map(({ type }) => type), (await stream.result).status];
      };
    },
  },
  {
    name: 'workflow: a step that waits for a human',
    source: page('workflows/human-in-the-loop'),
    selected: { writer: 2 },
    build: (around) => {
      const writer = agentOf(around, 'writer');
      const review = createStep({
        id: 'review',
        inputSchema: text,
        outputSchema: text,
        resumeSchema: z.object({ note: z.string() }),
        suspendSchema: text,
        execute: async ({ inputData, resumeData, suspend }) => {
          if (resumeData === undefined) return (await suspend(inputData)) as never;
          return { prompt: (await writer.generate(`${inputData.prompt} ${resumeData.note}`)).text };
        },
      });
      const main = flowOf('main').then(ask(writer)).then(asStep(review)).commit();
      const options = { agents: { writer }, workflows: { main }, storage: new InMemoryStore(), logger: false } as const;
      const mastra = around.wrap(new Mastra(options));
      return async (question) => {
        const run = await mastra.getWorkflow('main').createRun();
        const { status } = await run.start({ inputData: { prompt: question } });
        const resumed = await run.resume({ step: 'review', resumeData: { note: 'better' } });
        return [status, resumed.status];
      };
    },
  },
  {
    name: 'workflow: a tool of an agent',
    source: page('workflows/agents-and-tools'),
    script: { boss: [[call('workflow-main', { inputData: { prompt: 'write {q}' } })]] },
    selected: { writer: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const writer = around.wrap(agentOf(around, 'writer'));
      const main = createWorkflow({ id: 'main', description: 'Writes.', inputSchema: text, outputSchema: text })
        .then(ask(writer))
        .commit();
      const app = around.wrap(agentOf(around, 'boss', { workflows: { main } }), { agentMatch: /writer/ });
      return async (question) => (await app.generate(question)).text;
    },
  },
  {
    ...pair,
    name: 'workflow: on its own, without an instance',
    source: page('workflows/overview'),
    build: (around) => {
      const [reader, writer] = [around.wrap(agentOf(around, 'reader')), around.wrap(agentOf(around, 'writer'))];
      const main = around.wrap(flowOf('main').then(ask(reader)).then(ask(writer)).commit(), { agentMatch: 'writer' });
      return async (question) => (await (await main.createRun()).start({ inputData: { prompt: question } })).status;
    },
  },
];
