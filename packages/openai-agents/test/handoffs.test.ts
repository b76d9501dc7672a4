import {
  agentNamesOf,
  outlineTrace,
  startModelServer,
  startTestRollout,
  type ModelServer,
} from '@agent-lightning/testing';
import { Agent, handoff, run } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { chatModel } from './__fixtures__/adapter.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** Every agent gives the conversation on, to the agent that its instructions name; the last one answers. */
async function startServer(name: string): Promise<ModelServer> {
  const server = await startModelServer({
    respond: ({ messages }, { index }) => {
      const next = /give it to (\w+)/.exec(JSON.stringify(messages[0]))?.[1];
      const id = `${name}-${index}`;
      return next === undefined
        ? { id, content: 'done' }
        : { id, toolCalls: [{ name: `transfer_to_${next}`, arguments: {} }] };
    },
  });
  open.push(server);
  return server;
}

/** triage → billing → refunds, each on its own model. */
function createAgents({ baseUrl }: ModelServer) {
  const model = chatModel({ baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 });
  const refunds = new Agent({ name: 'refunds', instructions: 'You are refunds.', model });
  const billing = new Agent({
    name: 'billing',
    instructions: 'You are billing: give it to refunds.',
    model,
    handoffs: [handoff(refunds)],
  });
  const triage = new Agent({
    name: 'triage',
    instructions: 'You are triage: give it to billing.',
    model,
    handoffs: [billing],
  });
  return { triage, billing, refunds };
}

async function ask(agent: Agent, how: 'run' | 'stream'): Promise<string | undefined> {
  if (how === 'run') return (await run(agent, 'q')).finalOutput;
  const result = await run(agent, 'q', { stream: true });
  for await (const _event of result);
  await result.completed;
  return result.finalOutput;
}

describe('a conversation that is handed on', () => {
  it.each(['run', 'stream'] as const)('has its agents side by side, all of them selected: %s', async (how) => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const rollout = startTestRollout(policy.baseUrl);
    const { triage } = createAgents(own);
    expect(await rollout.run(() => ask(withLightning(triage), how))).toBe('done');
    expect(own.calls).toEqual([]);
    expect(policy.calls.map(agentNamesOf)).toEqual([['triage'], ['billing'], ['refunds']]);
    expect(outlineTrace(await rollout.spans(), { agents: [], layers: [] })).toEqual([
      'agent triage',
      '  model_call policy-0',
      'agent billing',
      '  model_call policy-1',
      'agent refunds',
      '  model_call policy-2',
    ]);
  });

  it.each(['run', 'stream'] as const)('goes to the policy for the agents that agentMatch selects: %s', async (how) => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const { triage } = createAgents(own);
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(() => ask(withLightning(triage, { agentMatch: /billing/ }), how));
    expect(policy.calls.map(agentNamesOf)).toEqual([['billing']]);
    expect(own.calls).toHaveLength(2);
  });

  it('follows the agentMatch of the agent that is handed it, where that one is wrapped itself', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const { triage, billing } = createAgents(own);
    withLightning(billing, { agentMatch: /refunds/ });
    await startTestRollout(policy.baseUrl).run(() => ask(withLightning(triage, { agentMatch: /triage/ }), 'run'));
    expect(policy.calls.map(agentNamesOf)).toEqual([['triage'], ['refunds']]);
    expect(own.calls).toHaveLength(1);
  });
});
