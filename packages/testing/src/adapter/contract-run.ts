import { matchesAgent, attributeNames, type SpanInput } from '@agent-lightning/core';
import type { AgentOptions } from '@agent-lightning/tracing';
import { expect } from 'vitest';
import { startModelServer, type ModelServer } from '../model-server/model-server.ts';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { agentAround, outlineTrace } from './outline-trace.ts';
import type { ScenarioAgent } from './scenario-agents.ts';
import { agentNamesOf, parentSpanOf, scriptAgents, type AgentScript } from './scripted-agents.ts';
import { startTestRollout, type TestRollout } from './test-rollout.ts';

const scenarioAgents = ['assistant', 'triage', 'billing', 'boss', 'helper'];

/** Starts the servers of one test; `close` them all after it. */
export class ContractServers {
  readonly #open: ModelServer[] = [];

  /** Starts a server whose response ids begin with `name`. */
  async start(name: string, script: AgentScript): Promise<ModelServer> {
    const server = await startModelServer({ respond: scriptAgents(name, script) });
    this.#open.push(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((server) => server.close()));
  }
}

/** An agent in its framework. */
export interface BuiltAgent {
  readonly agent: object;
  run(input: string): Promise<string>;
  stream(input: string): Promise<string>;
}

/** Options of {@link buildAgent}. */
interface BuildOptions {
  /** The options of each `withLightning` around the agent, innermost first; none for the agent as it is. @default [{}] */
  readonly wrappers?: readonly AgentOptions[];
  /** The most times that the agent's client asks again after an error that may pass. @default 0 */
  readonly maxRetries?: number;
}

/** Builds an agent on its own model at `own`. */
export async function buildAgent(
  adapter: AdapterUnderTest,
  { spec }: ScenarioAgent,
  own: ModelServer,
  { wrappers = [{}], maxRetries = 0 }: BuildOptions = {},
): Promise<BuiltAgent> {
  const model = { baseUrl: own.baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries };
  const bare = await adapter.build({ agent: spec, model, isWrapped: wrappers.length > 0 });
  return builtAgent(
    adapter,
    wrappers.reduce((agent, options) => adapter.wrap(agent, options), bare),
  );
}

export function builtAgent(adapter: AdapterUnderTest, agent: object): BuiltAgent {
  return { agent, run: (input) => adapter.run(agent, input), stream: (input) => adapter.stream(agent, input) };
}

/** A rollout and the server of its policy. */
export interface PolicyRollout {
  readonly policy: ModelServer;
  readonly rollout: TestRollout;
}

export async function startPolicyRollout(servers: ContractServers, script: AgentScript): Promise<PolicyRollout> {
  const policy = await servers.start('policy', script);
  return { policy, rollout: startTestRollout(policy.baseUrl) };
}

/** Expects the golden trace of a rollout, and that every call that its server got has its key, its model, and its place in the trace. */
export async function expectTrace(
  adapter: AdapterUnderTest,
  { rollout, policy }: { readonly rollout: TestRollout; readonly policy?: ModelServer },
  golden: readonly string[],
): Promise<void> {
  const spans = await rollout.spans();
  expectSpans(adapter, spans, golden);
  if (policy !== undefined) expectPlacedCalls(spans, rollout, policy);
}

/** Expects that spans, wherever they were kept, are the golden trace. */
export function expectSpans(adapter: AdapterUnderTest, spans: readonly SpanInput[], golden: readonly string[]): void {
  expect(outlineTrace(spans, { agents: scenarioAgents, layers: adapter.layers ?? [] })).toEqual(golden);
  expectNames(spans);
}

/** Returns the requests that a server got, without the headers that differ from one connection to the next. */
export function requestsOf(server: ModelServer): readonly unknown[] {
  return server.calls.map(({ method, path, headers, body }) => {
    const { host: _host, connection: _connection, 'content-length': _length, ...rest } = headers;
    return [method, path, rest, body];
  });
}

/** Expects that each model call has the name of the agent around it. */
function expectNames(spans: readonly SpanInput[]): void {
  for (const { kind, attributes, parentSpanId } of spans) {
    if (kind !== 'model_call') continue;
    const agent = agentAround(spans, parentSpanId, scenarioAgents);
    expect(attributes[attributeNames.source]).toBe('framework');
    expectNamed(attributes[attributeNames.agentNames] as readonly string[] | undefined, agent);
  }
}

function expectPlacedCalls(spans: readonly SpanInput[], { scope }: TestRollout, policy: ModelServer): void {
  for (const call of policy.calls) {
    expect((call.body as { readonly model?: unknown }).model).toBe(scope.llm?.model);
    expect(call.headers.authorization).toBe(`Bearer ${scope.llm?.apiKey}`);
    const agent = agentAround(spans, parentSpanOf(call), scenarioAgents);
    expect(JSON.stringify(call.body)).toContain(`You are ${agent}.`);
    expectNamed(agentNamesOf(call), agent);
  }
}

function expectNamed(names: readonly string[] | undefined, agent: string | undefined): void {
  const pattern = new RegExp(`(^|/)${agent}(/|$)`);
  expect(matchesAgent(names ?? [], pattern), `${JSON.stringify(names)} name ${agent}`).toBe(true);
}
