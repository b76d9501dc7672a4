import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AgentOptions } from '@agent-lightning/tracing';
import { expect } from 'vitest';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import {
  buildAgent,
  builtAgent,
  expectTrace,
  requestsOf,
  startPolicyRollout,
  type ContractServers,
} from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { goldenTraces, nestedTrace } from './golden-traces.ts';
import { lookupAgent, nestedAgent, plainAgent } from './scenario-agents.ts';

/** Wrappers around `boss`, innermost first, and that of `helper` inside it; which of both they select. */
interface Wrapping {
  readonly wrappers: readonly AgentOptions[];
  readonly helper?: AgentOptions;
  readonly selects: readonly ('boss' | 'helper')[];
}

// The node of an agent may be its own, or one in a graph of its name.
const [boss, helper, nobody] = [/^boss(\/agent)?$/, /helper/, /nobody/].map((agentMatch) => ({ agentMatch })) as [
  AgentOptions,
  AgentOptions,
  AgentOptions,
];

const wrappings: readonly Wrapping[] = [
  { wrappers: [boss, nobody], selects: ['boss'] },
  { wrappers: [nobody, boss], selects: ['boss'] },
  { wrappers: [boss, helper], selects: ['boss', 'helper'] },
  { wrappers: [nobody, nobody], selects: [] },
  { wrappers: [{}, helper], selects: ['helper'] },
  { wrappers: [nobody, {}], selects: ['boss', 'helper'] },
  { wrappers: [{}, {}], selects: ['boss', 'helper'] },
  { wrappers: [boss], helper, selects: ['boss', 'helper'] },
  { wrappers: [helper], helper: nobody, selects: ['helper'] },
  { wrappers: [nobody], helper, selects: ['helper'] },
  { wrappers: [nobody, boss], helper: {}, selects: ['boss'] },
];

/** Tests that the inner wrapper decides about the agents that it matches and the outer one about the rest, and that each run and call is traced once. */
const wrappedTwice: Scenario = async (adapter, servers) => {
  for (const wrapping of wrappings) await expectSelection(adapter, servers, wrapping);
};

async function expectSelection(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  { wrappers, helper: inner, selects }: Wrapping,
): Promise<void> {
  const agent = nestedAgent(inner);
  const own = await servers.start('own', agent.script);
  const started = await startPolicyRollout(servers, agent.script);
  const built = await buildAgent(adapter, agent, own, { wrappers });
  expect(await started.rollout.run(() => built.run('q'))).toBe(agent.answer);
  const serverOf = (name: 'boss' | 'helper') => (selects.includes(name) ? 'policy' : 'own');
  await expectTrace(adapter, started, nestedTrace(serverOf('boss'), serverOf('helper')));
}

/**
 * Tests that the agent that was given to `withLightning` keeps its properties, and does outside a rollout what it did. Inside one it is
 * the wrapped agent where that is the same object, and else an agent that nobody wrapped.
 */
const originalUnchanged: Scenario = async (adapter, servers) => {
  const agent = lookupAgent();
  const [bareServer, own] = [await servers.start('own', agent.script), await servers.start('own', agent.script)];
  const bare = await buildAgent(adapter, agent, bareServer, { wrappers: [] });
  const original = await buildAgent(adapter, agent, own, { wrappers: [] });
  const before = Object.getOwnPropertyDescriptors(original.agent);
  const wrapped = builtAgent(adapter, adapter.wrap(original.agent, {}));
  expect(Object.getOwnPropertyDescriptors(original.agent)).toEqual(before);
  expect(wrapped.agent === original.agent).toBe(adapter.returns === 'the same agent');

  const started = await startPolicyRollout(servers, agent.script);
  await started.rollout.run(() => wrapped.run('wrapped'));
  const traced = await started.rollout.spans();
  for (const how of ['run', 'stream'] as const) {
    expect(await bare[how](how)).toBe(agent.answer);
    expect(await original[how](how)).toBe(agent.answer);
  }
  expect(requestsOf(own)).toEqual(requestsOf(bareServer));
  expect(await started.rollout.spans()).toEqual(traced);

  const inside = await startPolicyRollout(servers, agent.script);
  expect(await inside.rollout.run(() => original.run('q'))).toBe(agent.answer);
  if (adapter.returns === 'the same agent') await expectTrace(adapter, inside, goldenTraces['tool call']);
  else expect([inside.policy.calls, await inside.rollout.spans('model_call')]).toEqual([[], []]);
};

/** Tests that a client reaches the policy that was built before the adapter was imported, and kept the `fetch` of that moment. */
const clientBuiltBefore: Scenario = async ({ earlyApp: { file, nodeArguments = [] } }, servers) => {
  const agent = plainAgent();
  const own = await servers.start('own', agent.script);
  const policy = await servers.start('policy', agent.script);
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeArguments, file, own.baseUrl, policy.baseUrl]);
  expect(stdout.trim()).toBe(agent.answer);
  expect([own.calls.length, policy.calls.length]).toEqual([0, 1]);
};

/** Tests of a wrapper's effect on the agent that it is given, and on others around it. */
export const wrappingScenarios: Readonly<
  Record<'wrapped twice' | 'original unchanged' | 'client built before', Scenario>
> = {
  'wrapped twice': wrappedTwice,
  'original unchanged': originalUnchanged,
  'client built before': clientBuiltBefore,
};
