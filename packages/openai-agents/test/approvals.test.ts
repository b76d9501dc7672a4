import { createRequire } from 'node:module';
import { agentNamesOf, startModelServer, startTestRollout, type ModelServer } from '@agent-lightning/testing';
import type * as Sdk from '@openai/agents';
import { Agent, handoff, run, RunState, Runner, tool } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { chatModel } from './__fixtures__/adapter.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** Calls the one tool or handoff that is offered until it has a tool's result, then answers; a handoff's names the next assistant. */
async function startServer(): Promise<ModelServer> {
  const server = await startModelServer({
    respond: ({ messages, tools }) => {
      const name = /"name":"(\w+)"/.exec(JSON.stringify(tools ?? []))?.[1];
      const isDone = messages.at(-1)?.role === 'tool' && !JSON.stringify(messages.at(-1)).includes('assistant');
      return name === undefined || isDone ? 'done' : { toolCalls: [{ name, arguments: {} }] };
    },
  });
  open.push(server);
  return server;
}

const modelAt = ({ baseUrl }: ModelServer) =>
  chatModel({ baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 });

const approved = (execute: () => string | Promise<string> = () => 'deleted') =>
  tool({ name: 'remove', description: 'Removes.', parameters: z.object({}), needsApproval: true, execute });

/** Runs until the approval, gives it, and goes on with the state as it is or as text. */
async function approveAndResume(
  agent: Agent,
  how: 'state' | 'text' | 'stream',
  runner = new Runner(),
): Promise<unknown> {
  const paused = await runner.run(agent, 'q');
  expect(paused.interruptions).toHaveLength(1);
  const state = how === 'text' ? await RunState.fromString(agent, paused.state.toString()) : paused.state;
  for (const item of state.getInterruptions()) state.approve(item);
  if (how !== 'stream') return (await runner.run(agent, state as typeof paused.state)).finalOutput;
  const result = await runner.run(agent, state as typeof paused.state, { stream: true });
  for await (const _event of result);
  await result.completed;
  return result.finalOutput;
}

describe('a run that waited for an approval', () => {
  it.each(['state', 'text', 'stream'] as const)('goes on with the policy: %s', async (how) => {
    const [own, policy] = [await startServer(), await startServer()];
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own), tools: [approved()] }));
    const rollout = startTestRollout(policy.baseUrl);
    expect(await rollout.run(() => approveAndResume(agent, how))).toBe('done');
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer'], ['writer']]);
  });

  it.each([true, false])(
    'goes on with the policy in another rollout, with spans of turns %s',
    async (includeTaskAndTurnSpans) => {
      const runner = new Runner({ tracing: { includeTaskAndTurnSpans } });
      const [own, policy, next] = [await startServer(), await startServer(), await startServer()];
      const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own), tools: [approved()] }));
      const paused = await startTestRollout(policy.baseUrl).run(() => runner.run(agent, 'q'));
      const state = await RunState.fromString(agent, paused.state.toString());
      for (const item of state.getInterruptions()) state.approve(item);
      await startTestRollout(next.baseUrl).run(() => runner.run(agent, state));
      expect([own, policy, next].map(({ calls }) => calls.length)).toEqual([0, 1, 1]);
    },
  );

  it('follows agentMatch, and keeps an agent that nobody wrapped on its own model', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const bare = new Agent({ name: 'bare', model: modelAt(own), tools: [approved()] });
    const other = withLightning(new Agent({ name: 'other', model: modelAt(own), tools: [approved()] }), {
      agentMatch: /writer/,
    });
    for (const agent of [bare, other]) {
      await startTestRollout(policy.baseUrl).run(() => approveAndResume(agent, 'state'));
      await startTestRollout(policy.baseUrl).run(() => approveAndResume(agent, 'text'));
    }
    expect([own.calls.length, policy.calls.length]).toEqual([8, 0]);
  });

  it.each([
    ['state', {}],
    ['text', {}],
    ['state', { tracingDisabled: true }],
    ['text', { tracingDisabled: true }],
    ['state', { tracing: { includeTaskAndTurnSpans: false } }],
    ['text', { tracing: { includeTaskAndTurnSpans: false } }],
  ] as const)('goes on with the policy for the agent that it was handed to: %s, Runner %j', async (how, config) => {
    const [own, policy] = [await startServer(), await startServer()];
    const billing = new Agent({ name: 'billing', model: modelAt(own), tools: [approved()] });
    const triage = withLightning(new Agent({ name: 'triage', model: modelAt(own), handoffs: [handoff(billing)] }));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => approveAndResume(triage, how, new Runner(config)));
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(agentNamesOf)).toEqual([['triage'], ['billing'], ['billing']]);
  });

  it('has the agents that an approved tool asks answered by the policy', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const helper = new Agent({ name: 'helper', model: modelAt(own) });
    const ask = approved(async () => (await run(helper, 'q')).finalOutput ?? '');
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own), tools: [ask] }));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => approveAndResume(agent, 'text'));
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(agentNamesOf)).toEqual([['writer'], ['helper', 'writer/helper'], ['writer']]);
  });

  it('inside an agent that is used as a tool goes on with what that agent selects', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const helper = withLightning(new Agent({ name: 'helper', model: modelAt(own), tools: [approved()] }), {
      agentMatch: /helper/,
    });
    const boss = new Agent({
      name: 'boss',
      model: modelAt(own),
      tools: [helper.asTool({ toolName: 'ask', parameters: z.object({}), inputBuilder: () => 'help' })],
    });
    await startTestRollout(policy.baseUrl).run(() => approveAndResume(boss, 'text'));
    expect(own.calls).toHaveLength(2);
    expect(policy.calls.map(agentNamesOf)).toEqual([
      ['helper', 'boss/helper'],
      ['helper', 'boss/helper'],
    ]);
  });

  it('goes on with the policy in an app that requires the SDK, and so has another copy of it', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const sdk = createRequire(import.meta.url)('@openai/agents') as typeof Sdk;
    const billing = new sdk.Agent({ name: 'billing', model: modelAt(own), tools: [approved()] });
    const triage = withLightning(new sdk.Agent({ name: 'triage', model: modelAt(own), handoffs: [billing] }));
    expect(triage).not.toBeInstanceOf(Agent);
    await startTestRollout(policy.baseUrl).run(() => approveAndResume(triage, 'state', new sdk.Runner()));
    expect([own.calls.length, policy.calls.length]).toEqual([0, 3]);
  });

  it('does outside a rollout what it did before', async () => {
    const own = await startServer();
    const agent = withLightning(new Agent({ name: 'writer', model: modelAt(own), tools: [approved()] }));
    expect(await approveAndResume(agent, 'text')).toBe('done');
    expect(own.calls).toHaveLength(2);
  });
});
