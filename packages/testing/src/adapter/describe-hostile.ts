import { captureRollouts } from '@agent-lightning/capture';
import { MemoryStore } from '@agent-lightning/store';
import { expect } from 'vitest';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { buildAgent, requestsOf, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { lookupAgent } from './scenario-agents.ts';

const broken = (): never => {
  throw new RangeError('hostile');
};
const circular: { self?: unknown } = {};
circular.self = circular;

/** What tools throw and give back, beside what they should; in groups, for a framework may end a run at the first of them. */
const behaviours: readonly Readonly<Record<string, () => unknown>>[] = [
  {
    no_prototype: () => {
      throw Object.create(null) as unknown;
    },
    symbol: () => {
      throw Symbol('s') as unknown;
    },
    unreadable: () => {
      throw Object.defineProperty(new RangeError('x'), 'stack', { get: broken }) as unknown;
    },
  },
  {
    frozen: () => Object.freeze({ a: Object.freeze([1]) }),
    bytes: () => new Uint8Array(3),
    nothing: () => undefined,
  },
  { circular: () => circular, big_int: () => 1n },
];

/**
 * Tests tools that throw and give back what nobody expects: in live traffic, kept or not, the wrapped agent comes to the same end as the
 * bare one and sends the same.
 */
export const hostileTools: Scenario = async (adapter, servers) => {
  for (const group of behaviours) {
    const bare = await observe(adapter, servers, group);
    for (const sampleRate of [1, 0]) {
      const live = await observe(adapter, servers, group, sampleRate);
      expect(live, `${Object.keys(group).join(', ')}, sampled at ${sampleRate}`).toEqual(bare);
    }
  }
};

/** Runs an agent whose tool behaves so, by its key: in live traffic where a sampling rate is given, else bare. */
async function observe(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  group: Readonly<Record<string, () => unknown>>,
  sampleRate?: number,
): Promise<unknown> {
  const agent = lookupAgent(Object.keys(group), async (key) => group[key]!() as string);
  const own = await servers.start('own', agent.script);
  const built = await buildAgent(adapter, agent, own, sampleRate === undefined ? { wrappers: [] } : {});
  const ask = (): Promise<unknown> => built.run('q').catch(() => 'it failed');
  if (sampleRate === undefined) return [await ask(), requestsOf(own)];
  const store = new MemoryStore();
  const capture = captureRollouts({ store, sampleRate, onError: () => undefined });
  const { result } = await capture.run('q', ask);
  expect(await capture.close()).toMatchObject({ started: 1, stored: sampleRate });
  await store.close();
  return [result, requestsOf(own)];
}
