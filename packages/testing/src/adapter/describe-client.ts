import { captureRollouts } from '@agent-lightning/capture';
import { MemoryStore } from '@agent-lightning/store';
import { expect } from 'vitest';
import type { ModelServer } from '../model-server/model-server.ts';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { builtAgent, startPolicyRollout, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { lookupAgent } from './scenario-agents.ts';

const ways = ['run', 'stream'] as const;
const ownHeaders = { 'x-own-app': 'own app' };
const ownBody = { user: 'own user', parallel_tool_calls: false };

type Place = (work: () => Promise<string>) => Promise<string>;

/**
 * Tests that all that the app gives its client and provider is in what is sent, wherever the calls go: outside rollouts, in live traffic
 * that a gateway serves, kept or not, and in training.
 */
export const ownClient: Scenario = async (adapter, servers) => {
  for (const how of ways) {
    const expected = await observe(adapter, servers, how, { isWrapped: false, place: (work) => work() });
    const isOwn: unknown = expect.objectContaining({
      body: expect.objectContaining(ownBody) as unknown,
      ...ownHeaders,
    });
    expect(expected, `the bare agent, ${how}`).toEqual({ asked: [isOwn, isOwn], fetches: 2 });
    const outside = await observe(adapter, servers, how, { isWrapped: true, place: (work) => work() });
    expect(outside, `outside a rollout, ${how}`).toEqual(expected);

    const { rollout, policy } = await startPolicyRollout(servers, lookupAgent().script);
    const place: Place = (work) => rollout.run(work);
    const trained = await observe(adapter, servers, how, { isWrapped: true, place, policy });
    expect(trained, `in training, ${how}`).toEqual(expected);

    for (const sampleRate of [0, 1])
      expect(await observeServed(adapter, servers, how, sampleRate), `sampled at ${sampleRate}, ${how}`).toEqual(
        expected,
      );
  }
};

/** Runs the agent in live traffic whose model calls a gateway answers. */
async function observeServed(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  how: (typeof ways)[number],
  sampleRate: number,
): Promise<Observation> {
  const policy = await servers.start('policy', lookupAgent().script);
  const store = new MemoryStore();
  const capture = captureRollouts({ store, sampleRate, onError: () => undefined });
  const endpoint = { baseUrl: policy.baseUrl, apiKey: 'gateway-key', model: 'policy', sampling: {} };
  const gateway = { openAttempt: () => Promise.resolve(endpoint), closeAttempt: () => Promise.resolve() };
  const place: Place = async (work) => (await capture.run(how, work, { gateway })).result;
  const observed = await observe(adapter, servers, how, { isWrapped: true, place, policy });
  expect(await capture.close()).toMatchObject({ started: 1, stored: sampleRate, untraceable: {} });
  await store.close();
  return observed;
}

/** What was sent to the server that answers. */
interface Observation {
  /** The bodies of the requests, without their models, and what they have of the app's own headers. */
  readonly asked: readonly unknown[];
  /** The number of calls of the app's own `fetch`. */
  readonly fetches: number;
}

interface HowToObserve {
  readonly isWrapped: boolean;
  readonly place: Place;
  /** The server that answers in the place of the agent's own. @default its own */
  readonly policy?: ModelServer;
}

async function observe(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  how: (typeof ways)[number],
  { isWrapped, place, policy }: HowToObserve,
): Promise<Observation> {
  const { spec, script, answer } = lookupAgent();
  const own = await servers.start('own', script);
  let fetches = 0;
  const ownFetch: typeof fetch = (...call) => (fetches++, fetch(...call));
  const client = { fetch: ownFetch, headers: ownHeaders, body: ownBody };
  const model = { baseUrl: own.baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0, client };
  const bare = await adapter.build({ agent: spec, model, isWrapped });
  const agent = builtAgent(adapter, isWrapped ? adapter.wrap(bare, {}) : bare);
  expect(await place(() => agent[how]('q'))).toBe(answer);
  if (policy !== undefined) expect(own.calls, 'calls of the own model').toHaveLength(0);
  return { asked: (policy ?? own).calls.map(askedBy), fetches };
}

function askedBy({ body, headers }: ModelServer['calls'][number]): unknown {
  const { model: _model, ...rest } = body as Record<string, unknown>;
  return { body: rest, ...Object.fromEntries(Object.keys(ownHeaders).map((name) => [name, headers[name]])) };
}
