import { captureRollouts } from '@agent-lightning/capture';
import { MemoryStore } from '@agent-lightning/store';
import { expect } from 'vitest';
import type { ModelServer } from '../model-server/model-server.ts';
import type { AdapterUnderTest, WatchedAgent } from './adapter-under-test.ts';
import { builtAgent, requestsOf, startPolicyRollout, type BuiltAgent, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { lookupAgent, type ScenarioAgent } from './scenario-agents.ts';

const ways = ['run', 'stream'] as const;

/** What an app's own tracing, telemetry and middleware were told of a run, and what was sent. */
interface Observation {
  readonly heard: readonly string[];
  /** Each request, as `requestsOf` gives it. */
  readonly sent: readonly unknown[];
  /** The bodies of the requests, without their models. */
  readonly asked: readonly unknown[];
}

/**
 * Tests that the app's own tracing, telemetry and middleware hear and do the same of a wrapped agent as of the bare one: outside
 * rollouts, in live traffic that is kept or not, and in training, where only what the adapter names as silent may hear nothing.
 */
export const ownTelemetry: Scenario = async (adapter, servers) => {
  for (const how of ways) {
    const expected = await observe(adapter, servers, how, { isWrapped: false, place: (work) => work() });
    for (const watcher of Object.keys(adapter.watchers))
      expect(expected.heard.filter(isOf(watcher)), `what ${watcher} hears of the bare agent`).not.toEqual([]);
    const outside = await observe(adapter, servers, how, { isWrapped: true, place: (work) => work() });
    expect(outside, `outside a rollout, ${how}`).toEqual(expected);
    for (const sampleRate of [0, 1])
      expect(await observeLive(adapter, servers, how, sampleRate), `sampled at ${sampleRate}, ${how}`).toEqual(
        expected,
      );
    await expectInTraining(adapter, servers, how, expected);
  }
};

/** Runs a watched agent in live traffic, and expects that nothing of it was left untraced. */
async function observeLive(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  how: (typeof ways)[number],
  sampleRate: number,
): Promise<Observation> {
  const store = new MemoryStore();
  const capture = captureRollouts({ store, sampleRate, onError: () => undefined });
  const place = async (work: () => Promise<string>): Promise<string> => (await capture.run(how, work)).result;
  const observed = await observe(adapter, servers, how, { isWrapped: true, place });
  expect(await capture.close()).toMatchObject({ started: 1, stored: sampleRate, untraceable: {} });
  await store.close();
  return observed;
}

interface HowToObserve {
  readonly isWrapped: boolean;
  readonly place: (work: () => Promise<string>) => Promise<string>;
}

async function observe(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  how: (typeof ways)[number],
  { isWrapped, place }: HowToObserve,
): Promise<Observation> {
  const agent = lookupAgent();
  const own = await servers.start('own', agent.script);
  const { built, watched } = await watch(adapter, agent, own.baseUrl, isWrapped);
  try {
    expect(await place(() => built[how]('q'))).toBe(agent.answer);
    return { heard: (await watched.heard()).toSorted(), sent: requestsOf(own), asked: askedOf(own) };
  } finally {
    await watched.stop();
  }
}

async function expectInTraining(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  how: (typeof ways)[number],
  expected: Observation,
): Promise<void> {
  const agent = lookupAgent();
  const own = await servers.start('own', agent.script);
  const { rollout, policy } = await startPolicyRollout(servers, agent.script);
  const { built, watched } = await watch(adapter, agent, own.baseUrl, true);
  try {
    expect(await rollout.run(() => built[how]('q'))).toBe(agent.answer);
    const audible = expected.heard.filter((line) =>
      Object.entries(adapter.watchers).some(([name, { training }]) => training === 'hears' && isOf(name)(line)),
    );
    expect((await watched.heard()).toSorted(), `in training, ${how}`).toEqual(audible);
  } finally {
    await watched.stop();
  }
  expect(own.calls).toHaveLength(0);
  expect(askedOf(policy)).toEqual(expected.asked);
}

function askedOf({ calls }: ModelServer): readonly unknown[] {
  return calls.map(({ body }) => {
    const { model: _model, ...rest } = body as Record<string, unknown>;
    return rest;
  });
}

async function watch(
  adapter: AdapterUnderTest,
  { spec }: ScenarioAgent,
  baseUrl: string,
  isWrapped: boolean,
): Promise<{ readonly built: BuiltAgent; readonly watched: WatchedAgent }> {
  const model = { baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 };
  const watched = await adapter.watch({ agent: spec, model, isWrapped });
  return { built: builtAgent(adapter, isWrapped ? adapter.wrap(watched.agent, {}) : watched.agent), watched };
}

const isOf =
  (watcher: string) =>
  (line: string): boolean =>
    line.startsWith(`${watcher} `);
