import { attributeNames as names, type PolicySnapshot } from '@agent-lightning/core';
import { gatewayHeaders } from '@agent-lightning/tracing';
import { startModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { connectGateway, type PolicyRoutes } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll, type Harness } from './harness.ts';

afterEach(stopAll);

const patterns = [
  { policy: 'writer', agentMatch: /write/ },
  { policy: 'planner', agentMatch: /plan|writeup/ },
];
const answering = (text: string): { readonly engine: FakeEngine; readonly snapshot: PolicySnapshot } => {
  const engine = new FakeEngine({ answer: () => [{ pieces: [[text, 1]] }] });
  return { engine, snapshot: { kind: 'engine', version: 3, engine } };
};

async function startRouted(
  otherwise?: PolicyRoutes['otherwise'],
): Promise<Harness & { ask(model: string, agents?: readonly string[]): Promise<string | null | undefined> }> {
  const harness = await startHarness();
  harness.gateway.publish('writer', answering('written').snapshot);
  harness.gateway.publish('planner', answering('planned').snapshot);
  harness.gateway.route({ policies: patterns, ...(otherwise === undefined ? {} : { otherwise }) });
  return {
    ...harness,
    async ask(model, agents) {
      const headers =
        agents === undefined ? {} : { [gatewayHeaders.agentNames]: encodeURIComponent(JSON.stringify(agents)) };
      const reply = await harness.client.chat.completions.create(
        { model, messages: [{ role: 'user', content: 'hi' }], temperature: 0.3 },
        { headers },
      );
      return reply.choices[0]?.message.content;
    },
  };
}

describe('several policies', () => {
  it('answer each call by its caller’s names, the first that matches, and stamp it', async () => {
    const { ask, finish } = await startRouted();
    expect(await ask('policy', ['rewrite', 'graph'])).toBe('written');
    expect(await ask('policy', ['node', 'plan'])).toBe('planned');
    expect(await ask('policy', ['writeup'])).toBe('written'); // both match
    const spans = await finish();
    expect(spans.map(({ attributes }) => [attributes[names.policy], attributes[names.policyVersion]])).toEqual([
      ['writer', 3],
      ['planner', 3],
      ['writer', 3],
    ]);
  });

  it('answer a caller that asks for one by its name', async () => {
    const { ask, client } = await startRouted();
    expect(await ask('planner', ['write'])).toBe('planned');
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['policy', 'writer', 'planner']);
  });

  it('leave everybody else to the model that is given for them: under its own sampling, seeded, not trained', async () => {
    const base = answering('based');
    const { ask, finish } = await startRouted({ name: 'base', snapshot: base.snapshot });
    expect(await ask('policy', ['judge'])).toBe('based');
    expect(await ask('policy')).toBe('based');
    expect(base.engine.requests.map(({ temperature }) => temperature)).toEqual([0.3, 0.3]);
    expect(new Set(base.engine.requests.map(({ seed }) => seed)).size).toBe(2);
    expect(base.engine.requests.every(({ seed }) => Number.isInteger(seed))).toBe(true);
    for (const { attributes } of await finish()) {
      expect(attributes).not.toHaveProperty(names.policy);
      expect(attributes[names.untrainable]).toMatch(/^passthrough/u);
    }
  });

  it('refuse everybody else by name when no model is given', async () => {
    const { ask } = await startRouted();
    await expect(ask('policy', ['judge'])).rejects.toThrow(
      /no policy answers \["judge"\]; there are "writer" \/write\/, "planner" \/plan\|writeup\//u,
    );
    await expect(ask('policy')).rejects.toThrow(/no policy answers a caller without a name/u);
  });

  it('are refused when they cannot be told apart', async () => {
    const { gateway } = await startHarness();
    const route =
      (policies: unknown): (() => void) =>
      () =>
        gateway.route({ policies } as PolicyRoutes);
    expect(route([])).toThrow(/at least one policy/u);
    expect(route([patterns[0], patterns[0]])).toThrow(/name "writer" twice/u);
    expect(route([{ policy: 'writer', agentMatch: 'write|plan' }])).toThrow(
      /route to "writer" "write\|plan" is a text/u,
    );
  });

  it('do not take the name of a model that is served already, but may be routed again', async () => {
    const { gateway } = await startHarness({ models: { own: { baseUrl: 'http://127.0.0.1:9/v1' } } });
    const { snapshot } = answering('based');
    gateway.publish('critic', snapshot);
    for (const name of ['own', 'critic'])
      expect(() => gateway.route({ policies: patterns, otherwise: { name, snapshot } })).toThrow(/is served already/u);
    for (const version of [0, 1])
      gateway.route({ policies: patterns, otherwise: { name: 'base', snapshot: { ...snapshot, version } } });
  });
});

describe('several policies of a gateway in another process', () => {
  const adminKey = 'a'.repeat(32);

  it('answer by caller, flags of patterns and the model for everybody else included', async () => {
    const server = await startModelServer({ respond: () => 'based' });
    onStop(() => server.close());
    const { gateway, client } = await startHarness({ adminKey, upstreams: { vllm: { baseUrl: server.baseUrl } } });
    for (const name of ['writer', 'planner', 'critic']) gateway.publish(name, answering(name).snapshot);
    const remote = connectGateway({ url: gateway.url, adminKey });
    const ask = async (agent: string): Promise<string | null | undefined> => {
      const headers = { [gatewayHeaders.agentNames]: encodeURIComponent(JSON.stringify([agent])) };
      const messages = [{ role: 'user' as const, content: 'hi' }];
      return (await client.chat.completions.create({ model: 'policy', messages }, { headers })).choices[0]?.message
        .content;
    };
    const policies = [
      { policy: 'writer', agentMatch: /WRITE\/d+/iu },
      { policy: 'planner', agentMatch: 'plan' },
      { policy: 'critic', agentMatch: ['check', 'review'] },
    ];
    await remote.route({ policies });
    expect([await ask('write/d'), await ask('plan'), await ask('review')]).toEqual(['writer', 'planner', 'critic']);
    await expect(ask('plan/b')).rejects.toThrow(/"planner" "plan", "critic" \["check","review"\]/u);
    await expect(ask('judge')).rejects.toThrow(/no policy answers \["judge"\]/u);
    const snapshot = { version: 0, upstream: 'vllm', model: 'base' };
    await remote.route({ policies, otherwise: { name: 'base', snapshot } });
    expect([await ask('write/d'), await ask('judge')]).toEqual(['writer', 'based']);
    await expect(remote.route({ policies: [] })).rejects.toThrow(/at least one policy/u);
    await expect(
      remote.route({ policies, otherwise: { name: 'base', snapshot: { ...snapshot, upstream: 'elsewhere' } } }),
    ).rejects.toThrow(/`upstream` must be a configured upstream; there are: vllm/u);
  });

  it.each([
    [{}, 'policies'],
    [{ policies: [1] }, 'policies[0].policy'],
    [{ policies: [{ policy: 'a' }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: 7 }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: 'a|b' }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: [] }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: { source: '(' } }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: { source: 'a', flags: 'q' } }] }, 'policies[0].agent_match'],
    [{ policies: [{ policy: 'a', agent_match: { source: 'a' } }], otherwise: 'base' }, 'otherwise.name'],
    [{ policies: [{ policy: 'a', agent_match: { source: 'a' } }], otherwise: { name: 'base' } }, 'upstream'],
  ])('refuse %j, naming the field', async (body, param) => {
    const { gateway } = await startHarness({ adminKey });
    const reply = await fetch(`${gateway.url}/admin/routes`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'x-api-key': adminKey, 'content-type': 'application/json' },
    });
    expect([reply.status, await reply.json()]).toMatchObject([400, { error: { param } }]);
  });
});
