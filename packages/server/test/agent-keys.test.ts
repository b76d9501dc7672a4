import { rewardNameAttribute, rewardValueAttribute, type Claim, type SpanInput } from '@agent-lightning/core';
import { connectStore, MemoryStore } from '@agent-lightning/store';
import { afterEach, describe, expect, it } from 'vitest';
import { startServer } from '../src/index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const call: SpanInput = {
  spanId: '1'.repeat(16),
  traceId: 'a'.repeat(32),
  kind: 'tool_call',
  name: 'search',
  status: { code: 'ok' },
  startTimeMs: 1,
  endTimeMs: 2,
  attributes: {},
};
const reward: SpanInput = {
  ...call,
  spanId: '2'.repeat(16),
  kind: 'reward',
  attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 },
};

/** A server with two claimed rollouts, and the store as the agent of the first one reaches it. */
async function startWithAgent(
  agentRewards: boolean,
): Promise<{ claims: [Claim, Claim]; agent: ReturnType<typeof connectStore> }> {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  closing.push(() => store.close());
  const server = await startServer({ store, port: 0, agentRewards });
  closing.push(() => server.close());
  await store.enqueue([{ input: 1 }, { input: 2 }]);
  const claims = (await store.claim({ workerId: 'w', limit: 2 })) as [Claim, Claim];
  const reply = await fetch(`${server.url}/v1/agent-keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ lease: claims[0].lease }),
  });
  const { key } = (await reply.json()) as { key: string };
  const agent = connectStore({ url: server.url, key });
  closing.push(() => agent.close());
  return { claims, agent };
}

describe('the key of an agent', () => {
  it('writes spans to its own attempt until that ends, and does nothing else', async () => {
    const { claims, agent } = await startWithAgent(false);
    const [{ lease }, other] = claims;
    expect(await agent.appendSpans(lease, [call])).toEqual([1]);
    await expect(agent.appendSpans(other.lease, [call])).rejects.toMatchObject({ code: 'forbidden' });
    const newer = { ...lease, fencingToken: lease.fencingToken + 5 };
    await expect(agent.appendSpans(newer, [call])).rejects.toMatchObject({ code: 'forbidden' });
    await expect(agent.appendSpans(lease, [reward])).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringMatching(/^spans\[0\] must not be a reward/),
    });
    const { rolloutId } = lease;
    const asked = await Promise.allSettled([
      agent.addReward(rolloutId, reward),
      agent.complete(lease),
      agent.heartbeat(lease),
      agent.claim({ workerId: 'w' }),
      agent.enqueue([{ input: 1 }]),
      agent.queryRollouts(),
      agent.querySpans({ rolloutIds: [rolloutId] }),
      agent.putResources('prompts', {}),
      agent.waitFor([rolloutId]),
      agent.deleteRun('run'),
      agent.runWatchdog(),
    ]);
    for (const end of asked) expect(end).toMatchObject({ reason: { code: 'forbidden' } });
  });

  it.each([
    ['a reward under another kind', { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 }],
    ['a later dimension of a reward', { [rewardValueAttribute(1)]: 1 }],
    ['a reward as AgentOps writes it', { 'agentops.task.output': '{"type":"reward","value":1}' }],
    ['what the server says of a span', { 'agentlightning.origin': '{"parts":{"rollout_id":"other"}}' }],
  ])('writes no span with attributes that readers of 0.3 take for more: %s', async (_name, attributes) => {
    const { claims, agent } = await startWithAgent(false);
    const span = { ...call, attributes };
    await expect(agent.appendSpans(claims[0].lease, [span])).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('writes its own reward where that was asked for', async () => {
    const { claims, agent } = await startWithAgent(true);
    expect(await agent.appendSpans(claims[0].lease, [reward])).toEqual([1]);
    await expect(agent.appendSpans(claims[1].lease, [reward])).rejects.toMatchObject({ code: 'forbidden' });
    await expect(agent.addReward(claims[0].lease.rolloutId, reward)).rejects.toMatchObject({ code: 'forbidden' });
  });
});
