import { attributeNames as names, wireHeaders, type PolicyRelease } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import type { PolicyRoutes } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll, type Harness } from './harness.ts';

afterEach(stopAll);

const patterns = [
  { policy: 'writer', agentMatch: /write/ },
  { policy: 'planner', agentMatch: /plan|writeup/ },
];
const answering = (text: string): { readonly engine: FakeEngine; readonly release: PolicyRelease } => {
  const engine = new FakeEngine({ answer: () => [{ pieces: [[text, 1]] }] });
  return { engine, release: { kind: 'engine', version: 3, engine } };
};

async function startRouted(
  otherwise?: PolicyRoutes['otherwise'],
): Promise<Harness & { ask(model: string, agents?: readonly string[]): Promise<string | null | undefined> }> {
  const harness = await startHarness();
  harness.gateway.publish('writer', answering('written').release);
  harness.gateway.publish('planner', answering('planned').release);
  harness.gateway.route({ policies: patterns, ...(otherwise === undefined ? {} : { otherwise }) });
  return {
    ...harness,
    async ask(model, agents) {
      const headers =
        agents === undefined ? {} : { [wireHeaders.agentNames]: encodeURIComponent(JSON.stringify(agents)) };
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
    const { ask, finish } = await startRouted({ name: 'base', release: base.release });
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
    expect(route([{ policy: 'writer', agentMatch: 'write' }])).toThrow(/regular expression/u);
  });
});
