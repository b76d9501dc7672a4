import { instructionsOf } from '@agent-lightning/testing';
import { Mastra } from '@mastra/core/mastra';
import { MockMemory } from '@mastra/core/memory';
import { ModerationProcessor, TokenLimiterProcessor, UnicodeNormalizer } from '@mastra/core/processors';
import { InMemoryStore } from '@mastra/core/storage';
import { createTool } from '@mastra/core/tools';
import { Memory } from '@mastra/memory';
import { z } from 'zod';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, modelOf, page, weather } from './parts.ts';

const once = { selected: { writer: 1 } };
const twice = { selected: { writer: 2 } };
const askHelper = { boss: [[call('agent-helper', { prompt: 'help {q}' })]] };

/** Builds an idiom of an agent with processors. */
function processed(name: string, processors: object): Idiom {
  return {
    ...once,
    name: `processors: ${name}`,
    source: page('agents/processors'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', processors));
      return async (question) => {
        const { text, tripwire } = await agent.generate(question);
        return [text, tripwire?.reason];
      };
    },
  };
}

/** Idioms of processors, memories and several agents. */
export const together: readonly Idiom[] = [
  processed('built-in ones', { inputProcessors: [new UnicodeNormalizer({}), new TokenLimiterProcessor(9000)] }),
  processed('one of your own, on the input', {
    inputProcessors: [{ id: 'keep', processInput: ({ messages }: { messages: unknown[] }) => messages }],
  }),
  processed('one of your own, on the result', {
    outputProcessors: [{ id: 'keep', processOutputResult: ({ messages }: { messages: unknown[] }) => messages }],
  }),
  processed('one of your own, on each part of a stream', {
    outputProcessors: [{ id: 'keep', processOutputStream: ({ part }: { part: unknown }) => Promise.resolve(part) }],
  }),
  processed('a tripwire on the result', {
    outputProcessors: [
      { id: 'stop', processOutputResult: ({ abort }: { abort: (reason: string) => never }) => abort('never') },
    ],
  }),
  {
    name: 'processors: a model that moderates',
    source: page('agents/guardrails#moderating-user-messages'),
    script: { moderator: ['{"category_scores":[],"reason":"fine {q}"}'] },
    selected: { writer: 1 },
    kept: { moderator: 1 },
    // Mastra asks with an agent of its own, which nobody can wrap.
    untraced: ['moderator'],
    build: (around) => {
      const moderation = new ModerationProcessor({
        model: modelOf(around) as never,
        instructions: instructionsOf('moderator'),
      });
      const agent = around.wrap(agentOf(around, 'writer', { inputProcessors: [moderation] }));
      return async (question) => (await agent.generate(question)).text;
    },
  },
  {
    ...twice,
    name: 'a memory of threads',
    source: page('memory/overview'),
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer', { memory: new MockMemory() }));
      return async (question) => {
        const memory = { thread: question, resource: `user of ${question}` };
        await agent.generate(`I am Bob, ${question}`, { memory });
        return (await agent.generate('What is my name?', { memory })).text;
      };
    },
  },
  {
    ...twice,
    name: 'the message history of @mastra/memory',
    source: page('memory/message-history'),
    build: (around) => {
      const memory = new Memory({ storage: new InMemoryStore(), options: { lastMessages: 10 } });
      const agent = around.wrap(agentOf(around, 'writer', { memory }));
      return async (question) => {
        const options = { memory: { thread: question, resource: `user of ${question}` } };
        await agent.generate(`I am Bob, ${question}`, options);
        return (await agent.generate('What is my name?', options)).text;
      };
    },
  },
  {
    name: 'working memory',
    source: page('memory/working-memory'),
    script: { writer: [[call('updateWorkingMemory', { memory: '# Bob {q}' })]] },
    ...twice,
    build: (around) => {
      const options = { workingMemory: { enabled: true, template: '# User' }, lastMessages: 5 };
      const memory = new Memory({ storage: new InMemoryStore(), options });
      const agent = around.wrap(agentOf(around, 'writer', { memory }));
      return async (question) =>
        (await agent.generate(question, { memory: { thread: question, resource: `user of ${question}` } })).text;
    },
  },
  {
    name: 'sub-agents',
    source: page('subagents'),
    script: askHelper,
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const helper = agentOf(around, 'helper', { description: 'Helps.' });
      const app = around.wrap(agentOf(around, 'boss', { agents: { helper } }), { agentMatch: 'helper' });
      return async (question) => (await app.generate(question)).text;
    },
  },
  {
    name: 'two sub-agents at once, streamed',
    source: page('subagents'),
    script: { boss: [[call('agent-poet', { prompt: 'a poem {q}' }), call('agent-joker', { prompt: 'a joke {q}' })]] },
    selected: { poet: 1 },
    kept: { boss: 2, joker: 1 },
    build: (around) => {
      const agents = Object.fromEntries(['poet', 'joker'].map((id) => [id, agentOf(around, id, { description: id })]));
      const app = around.wrap(agentOf(around, 'boss', { agents }), { agentMatch: /boss\/poet/ });
      return async (question) => (await app.stream(question)).text;
    },
  },
  {
    name: 'an agent that a tool calls',
    source: page('agents/using-tools'),
    script: { boss: [[call('ask_helper', { task: 'help {q}' })]], helper: [askWeather] },
    selected: { boss: 2, helper: 2 },
    build: (around) => {
      const helper = around.wrap(agentOf(around, 'helper', { tools: { weather } }));
      const ask = createTool({
        id: 'ask_helper',
        description: 'Asks the helper.',
        inputSchema: z.object({ task: z.string() }),
        execute: async ({ task }) => (await helper.generate(task)).text,
      });
      const app = around.wrap(agentOf(around, 'boss', { tools: { ask_helper: ask } }));
      return async (question) => (await app.generate(question)).text;
    },
  },
  {
    name: 'agents of an instance, by their names',
    source: page('agents/overview#register-an-agent'),
    selected: { writer: 1 },
    kept: { checker: 1 },
    build: (around) => {
      const agents = { writer: agentOf(around, 'writer'), checker: agentOf(around, 'checker') };
      const mastra = around.wrap(new Mastra({ agents, logger: false }), { agentMatch: 'writer' });
      return async (question) => {
        const { text } = await mastra.getAgent('writer').generate(question);
        return (await mastra.getAgentById('checker').generate(text)).text;
      };
    },
  },
  {
    name: 'a judge that nobody wraps',
    source: page('evals/custom-scorers'),
    ...once,
    kept: { judge: 1 },
    untraced: ['judge'],
    build: (around) => {
      const [writer, judge] = [around.wrap(agentOf(around, 'writer')), agentOf(around, 'judge')];
      return async (question) => (await judge.generate((await writer.generate(question)).text)).text;
    },
  },
  {
    name: 'one agent, three questions at once',
    source: page('agents/overview'),
    selected: { writer: 3 },
    build: (around) => {
      const agent = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const answers = await Promise.all([1, 2, 3].map((number) => agent.generate(`${number} ${question}`)));
        return answers.map(({ text }) => text);
      };
    },
  },
];
