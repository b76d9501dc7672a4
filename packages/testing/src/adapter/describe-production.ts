import { captureRollouts } from '@agent-lightning/capture';
import { exportRun, MemoryStore, type ExportedRollout } from '@agent-lightning/store';
import type { LightningStore } from '@agent-lightning/core';
import { expect } from 'vitest';
import { buildAgent, expectSpans, requestsOf } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { goldenTraces } from './golden-traces.ts';
import { lookupAgent } from './scenario-agents.ts';

/**
 * Tests live traffic without a trainer: the wrapped agent sends what the bare one sends and answers what it answers, each run becomes a
 * rollout that takes feedback later, and a store that never answers does not disturb the agent.
 */
export const productionMode: Scenario = async (adapter, servers) => {
  const agent = lookupAgent();
  const bareServer = await servers.start('own', agent.script);
  const server = await servers.start('own', agent.script);
  const bare = await buildAgent(adapter, agent, bareServer, { wrappers: [] });
  const wrapped = await buildAgent(adapter, agent, server);
  const [store, broken] = [new MemoryStore(), new MemoryStore()];
  const errors: unknown[] = [];
  const capture = captureRollouts({ store, onError: (error) => errors.push(error) });
  const unheard = captureRollouts({ store: unanswering(broken), onError: () => undefined });

  for (const how of ['run', 'stream'] as const) {
    expect(await bare[how](how)).toBe(agent.answer);
    const { rolloutId, result } = await capture.run({ question: how }, () => wrapped[how](how));
    expect(result).toBe(agent.answer);
    expect(await capture.reward(rolloutId, 1)).toBe('stored');

    const again = `${how} again`;
    expect(await bare[how](again)).toBe(agent.answer);
    expect((await unheard.run({ question: again }, () => wrapped[how](again))).result).toBe(agent.answer);
  }
  expect(requestsOf(server)).toEqual(requestsOf(bareServer));
  expect(errors).toEqual([]);

  const captured = await readAll(store);
  expect(captured.map(({ rollout }) => [rollout.status, rollout.input])).toEqual([
    ['succeeded', { question: 'run' }],
    ['succeeded', { question: 'stream' }],
  ]);
  for (const { spans } of captured) expectSpans(adapter, spans, goldenTraces['production mode']);
  expect(await unheard.close({ timeoutMs: 1 })).toMatchObject({ started: 2, stored: 0, dropped: { closed: 2 } });
  await Promise.all([capture.close(), store.close(), broken.close()]);
};

/** Returns the store, except that it never acknowledges what is enqueued. */
function unanswering(store: LightningStore): LightningStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'enqueue') return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function readAll(store: LightningStore): Promise<readonly ExportedRollout[]> {
  const rollouts: ExportedRollout[] = [];
  for await (const rollout of exportRun(store, 'production')) rollouts.push(rollout);
  return rollouts;
}
