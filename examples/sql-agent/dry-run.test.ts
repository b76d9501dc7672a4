import { request as sendRequest } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import type { RolloutContext } from '@agent-lightning/runner';
import { embedded } from '@agent-lightning/embedded';
import { withLightning } from '@agent-lightning/langgraph';
import { startModelServer, type ModelServer } from '@agent-lightning/testing';
import { grpo, Trainer, type DevReport, type TrainerOptions } from '@agent-lightning/trainer';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { Agent } from 'undici';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { createSqlAgent } from './agent.ts';
import { allQuestions, type Question } from './questions.ts';
import { startingModel } from './train.ts';

/** The fetch of a client that kept it from before any redirect, and sends it through a dispatcher of its own. */
const earlyFetch = vi.hoisted(() => globalThis.fetch);
const dispatcher = new Agent();
const ownFetch: typeof fetch = (input, init) => earlyFetch(input, { ...init, dispatcher: dispatcher as never });
afterAll(() => dispatcher.close());

const tasks = allQuestions().slice(0, 2);
let own: ModelServer;
let host: string;

beforeEach(async () => {
  own = await startModelServer({ respond: (_request, { index }) => ({ id: `own-${index}`, content: 'SELECT 1' }) });
  host = new URL(own.baseUrl).host;
  vi.stubEnv('OPENAI_BASE_URL', own.baseUrl);
  vi.stubEnv('OPENAI_API_KEY', 'any');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await own.close();
});

type Invoke = (task: Question, context: RolloutContext) => Promise<unknown>;

interface DryRun {
  readonly report: DevReport;
  readonly said: string;
}

const options = (lines: string[], invoke: Invoke): Omit<TrainerOptions<Question>, 'backend'> => ({
  rollout: async (task, context) => {
    await invoke(task, context);
    return context.rollout.metadata['sample'] as number;
  },
  algorithm: grpo({ groupSize: 4, tasksPerStep: 2, learningRate: 1e-4, maxTokens: 4 }),
  logger: {
    info: (line) => void lines.push(line),
    warn: (line) => void lines.push(`warning: ${line}`),
    error: (line) => void lines.push(`error: ${line}`),
  },
  progress: 'none',
  handleSignals: false,
});

/** Eight rollouts: four of each task. */
async function dryRun(invoke: Invoke): Promise<DryRun> {
  const backend = embedded({ model: startingModel });
  const lines: string[] = [];
  try {
    const trainer = new Trainer<Question>({ ...options(lines, invoke), backend });
    return { report: await trainer.dev({ tasks, samples: 4 }), said: lines.join('\n') };
  } finally {
    await backend.close();
  }
}

const inputOf = ({ database, question }: Question) => ({ database, question });

/** A graph of one node, `plan`, that calls a model by `ask`. */
function planner(ask: (question: string) => Promise<string>) {
  const State = Annotation.Root({
    database: Annotation<string>,
    question: Annotation<string>,
    plan: Annotation<string>,
  });
  return new StateGraph(State)
    .addNode('draft', async ({ question }) => ({ plan: await ask(question) }))
    .addEdge(START, 'draft')
    .addEdge('draft', END)
    .compile();
}

/** Asks in Anthropic's dialect, by a client that does not use `fetch`. */
async function askMessages(question: string): Promise<string> {
  const request = sendRequest(`${own.baseUrl}/messages`, { method: 'POST' });
  const answered = new Promise<string>((resolve, reject) =>
    request.on('response', (response) => resolve(text(response))).on('error', reject),
  );
  request.end(JSON.stringify({ model: 'claude', messages: [{ role: 'user', content: question }] }));
  return await answered;
}

async function askDirectly({ llm }: RolloutContext): Promise<void> {
  const model = new ChatOpenAI({ model: llm.model, apiKey: llm.apiKey, configuration: { baseURL: llm.baseUrl } });
  await model.invoke('q');
}

describe('a dry run', () => {
  it('names the agents that ran and the agentMatch that none of them matches', async () => {
    const agent = withLightning(createSqlAgent(), { agentMatch: /writeQuery/ });
    const { report, said } = await dryRun((task) => agent.invoke(inputOf(task)));
    expect(own.calls).toHaveLength(16);
    expect(report).toMatchObject({
      ok: false,
      succeeded: 8,
      trainableCalls: {},
      untrainableCalls: {},
      unselectedCalls: { write_query: 8, check_query: 8 },
      findings: [
        expect.stringContaining('agents seen: write_query, check_query; none matches /writeQuery/. An agentMatch is'),
      ],
    });
    expect(report.calls.map(({ fate, agent, calls }) => [fate, agent, calls])).toEqual([
      ['not selected', 'write_query', 8],
      ['not selected', 'check_query', 8],
    ]);
    expect(said).toMatch(
      new RegExp(`\nnot selected +write_query +8 +${host}, asked by \\S+\nnot selected +check_query +8 `),
    );
    expect(said).not.toContain('wrap the agent');
    expect(said).toMatch(/not ready to train: correct what the lines above say, and run dev again$/);
  });

  it('is not ready where one of two patterns matches nothing, though the other trains', async () => {
    const [first, second] = [
      withLightning(createSqlAgent(), { agentMatch: /^write_query$/ }),
      withLightning(createSqlAgent(), { agentMatch: /planner/ }),
    ];
    const { report } = await dryRun(async (task) => [
      await first.invoke(inputOf(task)),
      await second.invoke(inputOf(task)),
    ]);
    expect(report.trainableCalls).toEqual({ write_query: 8 });
    expect(report.samples).toBeGreaterThan(0);
    expect(report).toMatchObject({
      ok: false,
      findings: [expect.stringMatching(/^agents seen: write_query, check_query; none matches \/planner\//)],
    });
  });

  it.each([
    [
      'with a fetch of its own',
      () => {
        const model = new ChatOpenAI({ model: 'own', configuration: { baseURL: own.baseUrl, fetch: ownFetch } });
        return planner(async (question) => (await model.invoke(question)).text);
      },
    ],
    ['of another dialect and without fetch, which the framework does not report', () => planner(askMessages)],
  ])('names the host that answers an agent’s client %s', async (_, build) => {
    const agent = withLightning(build(), { agentMatch: /draft/ });
    const { report, said } = await dryRun((task) => agent.invoke(inputOf(task)));
    expect(own.calls).toHaveLength(8);
    expect(report).toMatchObject({
      ok: false,
      untrainableCalls: { [`the call did not go through the gateway; it went to ${host}`]: 8 },
      unselectedCalls: {},
      findings: [expect.stringContaining(`8 calls of agent draft went to ${host}, not through the gateway`)],
    });
    expect(said).not.toContain('token ids');
    expect(said).toMatch(new RegExp(`\nwent past +draft +8 +${host}`));
  });

  it('names the host that answers a graph which is not the wrapped one', async () => {
    const graph = createSqlAgent();
    withLightning(graph, { agentMatch: /write/ });
    const { report } = await dryRun((task) => graph.invoke(inputOf(task)));
    expect(report).toMatchObject({
      ok: false,
      untrainableCalls: {},
      findings: [expect.stringContaining(`16 model calls went to ${host} from code that no wrapped agent ran`)],
    });
  });

  it('says nothing of agents that keep their own model by choice, nor of a judge in plain code', async () => {
    const agent = withLightning(createSqlAgent(), { agentMatch: /^write_query$/ });
    const { report } = await dryRun(async (task) => {
      await agent.invoke(inputOf(task));
      await new ChatOpenAI({ model: 'judge', configuration: { baseURL: own.baseUrl } }).invoke('good?');
    });
    expect(report).toMatchObject({ ok: true, untrainableCalls: {}, findings: [] });
  });
});

describe('a training run', () => {
  it('warns once of an agentMatch that matches no agent', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dry-run-'));
    const backend = embedded({ model: startingModel });
    const lines: string[] = [];
    const agent = withLightning(createSqlAgent(), { agentMatch: /writeQuery/ });
    try {
      const trainer = new Trainer<Question>({
        ...options(lines, async (task, context) => {
          await agent.invoke(inputOf(task));
          await askDirectly(context);
        }),
        backend,
        runDirectory: join(folder, 'run'),
      });
      await trainer.fit({ train: tasks, steps: 2 });
    } finally {
      await backend.close();
      await rm(folder, { recursive: true });
    }
    expect(lines.filter((line) => line.includes('writeQuery'))).toEqual([
      expect.stringMatching(
        /^warning: step 1: no agent trains under .*agents seen: write_query, check_query; none matches/,
      ),
    ]);
  });
});
