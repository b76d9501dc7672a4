import { toSftRows } from '@agent-lightning/capture';
import { toEpisode } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import type { RunnableLike } from '@langchain/core/runnables';
import type { BaseMessage } from '@langchain/core/messages';
import {
  Annotation,
  Command,
  END,
  entrypoint,
  interrupt,
  MemorySaver,
  START,
  StateGraph,
  task,
} from '@langchain/langgraph';
import type { ChatOpenAI } from '@langchain/openai';
import { afterEach, describe, expect, it } from 'vitest';
import { captureInto } from '../../capture/test/capture-harness.ts';
import { withLightning } from '../src/index.ts';
import { chatModel, startServer } from './__fixtures__/servers.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

const State = Annotation.Root({ question: Annotation<string>, answer: Annotation<string> });
type Work = (state: typeof State.State) => Promise<Partial<typeof State.State>>;
const thread = { configurable: { thread_id: 't' } };
const retryPolicy = { maxAttempts: 2, initialInterval: 1, maxInterval: 1, jitter: false, logWarning: false };

/** A graph of these nodes, one after the other. */
function graphOf(nodes: Readonly<Record<string, Work>>, options: object = {}) {
  const graph = new StateGraph(State);
  let last: string = START;
  for (const [name, work] of Object.entries(nodes)) {
    graph.addNode(name, work, options).addEdge(last as never, name as never);
    last = name;
  }
  return graph.addEdge(last as never, END).compile({ checkpointer: new MemorySaver() });
}

/** Runs an agent in a rollout with a real gateway. Returns the prompts that train, by agent, and the reasons of those that do not. */
async function runAgent(work: (model: ChatOpenAI) => Promise<unknown>): Promise<{
  readonly trained: readonly string[];
  readonly left: readonly string[];
  readonly imitated: number;
}> {
  const [own, policy] = [await startServer(), await startServer(() => 'fine')];
  const { capture, exported } = captureInto();
  const gateway = await Gateway.start({ store: capture.spanStore, sampling: { test: { temperature: 'agent' } } });
  open.push(gateway);
  gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: policy.baseUrl, model: 'served-model' });
  await capture.run('q', () => work(chatModel(own)), { gateway });
  expect(own.calls).toEqual([]);
  const [captured] = await exported();
  const { transitions, untrainable } = toEpisode(captured!.rollout, captured!.spans);
  expect(transitions.length + untrainable.length).toBe(policy.calls.length);
  const prompts = new Map(
    captured!.spans.map((span) => [span.spanId, JSON.stringify(span.attributes['gen_ai.input.messages'])]),
  );
  const promptOf = (spanId: string): string => /content\\":\\"(\w+)/.exec(prompts.get(spanId)!)![1]!;
  return {
    trained: transitions.map(({ agentName, spanId }) => `${agentName}: ${promptOf(spanId)}`),
    left: untrainable.map(({ agentName, spanId, reason }) => `${agentName}: ${promptOf(spanId)}, ${reason}`),
    imitated: toSftRows([captured!]).rows.length,
  };
}

/** Returns a function that throws at its first call. */
function failsOnce(): () => void {
  let calls = 0;
  return () => {
    if (calls++ === 0) throw new RangeError('not so');
  };
}

const again = (what: string, why: string): string =>
  `the agent threw the answer away: ${what} ${why} and was run again from its start`;

describe('an answer that a LangGraph agent threw away is named and not trained on', () => {
  it('of a node that its retryPolicy runs again', async () => {
    const check = failsOnce();
    const result = await runAgent(async (model) => {
      const write: Work = async () => {
        const { text } = await model.invoke('write');
        check();
        return { answer: text };
      };
      const plan: Work = async () => ({ question: (await model.invoke('plan')).text });
      await withLightning(graphOf({ plan, write }, { retryPolicy })).invoke({ question: 'q' }, thread);
    });
    expect(result).toEqual({
      trained: ['plan: plan', 'write: write'],
      left: [`write: write, ${again('"write"', 'failed')}`],
      imitated: 2,
    });
  });

  it('of a node that is run again after an interrupt, but not of the graph inside it that goes on', async () => {
    const { trained, left } = await runAgent(async (model) => {
      const inner = new StateGraph(State)
        .addNode('draft', async () => ({ answer: (await model.invoke('draft')).text }))
        .addNode('approve', async () => ({ question: interrupt<string, string>('sure?') }))
        .addEdge(START, 'draft')
        .addEdge('draft', 'approve')
        .addEdge('approve', END)
        .compile();
      const outer: Work = async (state) => {
        await model.invoke('outer');
        return await inner.invoke(state);
      };
      const graph = withLightning(graphOf({ outer }));
      await graph.invoke({ question: 'q' }, thread);
      await graph.invoke(new Command({ resume: 'yes' }), thread);
    });
    expect(trained).toEqual(['draft: draft', 'outer: outer']);
    expect(left).toEqual([`outer: outer, ${again('"outer"', 'waited')}`]);
  });

  it('of the graph inside a node that is run again, whose nodes keep their names', async () => {
    const check = failsOnce();
    const { trained, left } = await runAgent(async (model) => {
      const inner = graphOf({ draft: async () => ({ answer: (await model.invoke('draft')).text }) });
      const outer: Work = async (state) => {
        const { answer } = await inner.invoke(state);
        check();
        return { answer };
      };
      const graph = withLightning(graphOf({ outer }, { retryPolicy }), { agentMatch: 'outer/draft' });
      await graph.invoke({ question: 'q' }, thread);
    });
    expect(trained).toEqual(['draft: draft']);
    expect(left).toEqual([`draft: draft, ${again('"outer"', 'failed')}`]);
  });

  it('of a task and of a workflow of the functional API', async () => {
    const check = failsOnce();
    const { trained, left } = await runAgent(async (model) => {
      const ask = task({ name: 'ask', retry: retryPolicy }, async (question: string) => {
        const { text } = await model.invoke(question);
        check();
        return text;
      });
      const flow = withLightning(
        entrypoint({ name: 'flow', checkpointer: new MemorySaver() }, async (question: string) => {
          await ask(question);
          await model.invoke('body');
          return interrupt<string, string>('sure?');
        }),
      );
      await flow.invoke('task', thread);
      await flow.invoke(new Command({ resume: 'yes' }), thread);
    });
    expect(trained).toEqual(['ask: task', 'flow: body']);
    expect(left).toEqual([`ask: task, ${again('"ask"', 'failed')}`, `flow: body, ${again('"flow"', 'waited')}`]);
  });

  it('of a chain that withRetry or withFallbacks tries again', async () => {
    const chains: ((
      model: ChatOpenAI,
      check: RunnableLike<BaseMessage, BaseMessage>,
    ) => { invoke(input: string): Promise<BaseMessage> })[] = [
      (model, check) => model.pipe(check).withRetry({ stopAfterAttempt: 2, onFailedAttempt: () => undefined }),
      (model, check) => model.pipe(check).withFallbacks([model]),
    ];
    for (const chainOf of chains) {
      const check = failsOnce();
      const { trained, left } = await runAgent(async (model) => {
        const chain = chainOf(model, (message) => (check(), message));
        const write: Work = async () => ({ answer: (await chain.invoke('write')).text });
        await withLightning(graphOf({ write })).invoke({ question: 'q' }, thread);
      });
      expect(trained).toEqual(['write: write']);
      expect(left).toEqual([`write: write, ${again('an attempt', 'failed')}`]);
    }
  });

  it('not of a loop, nor of a node that failed for good', async () => {
    const { trained, left } = await runAgent(async (model) => {
      let turns = 0;
      const loop = new StateGraph(State)
        .addNode('write', async () => ({ answer: (await model.invoke(`turn${turns++}`)).text }))
        .addNode('check', async () => {
          await model.invoke('check');
          if (turns === 2) throw new RangeError('not so');
          return {};
        })
        .addEdge(START, 'write')
        .addEdge('write', 'check')
        .addEdge('check', 'write')
        .compile();
      await withLightning(loop)
        .invoke({ question: 'q' })
        .catch(() => undefined);
    });
    expect(trained).toEqual(['write: turn0', 'check: check', 'write: turn1', 'check: check']);
    expect(left).toEqual([]);
  });
});
