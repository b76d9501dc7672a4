import { expect } from 'vitest';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { buildAgent, expectTrace, requestsOf, startPolicyRollout, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { goldenTraces } from './golden-traces.ts';
import { lookupAgent, nestedAgent, type ScenarioAgent } from './scenario-agents.ts';
import type { AgentScript } from './scripted-agents.ts';

/** Tests that a run begins, waits for its model, and goes on only when another has begun and ended. */
const interleaved: Scenario = async (adapter, servers) => {
  const agent = lookupAgent();
  const own = await servers.start('own', agent.script);
  const [isWaiting, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow = await startPolicyRollout(servers, async (turn) => {
    if (turn.turn > 1) return agent.script(turn);
    isWaiting.resolve();
    await mayGoOn.promise;
    return agent.script(turn);
  });
  const quick = await startPolicyRollout(servers, agent.script);
  const built = await buildAgent(adapter, agent, own);
  const slowRun = slow.rollout.run(() => built.run('slow'));
  await isWaiting.promise;
  expect(await quick.rollout.run(() => built.run('quick'))).toBe(agent.answer);
  mayGoOn.resolve();
  expect(await slowRun).toBe(agent.answer);
  for (const [{ policy, rollout }, question] of [
    [slow, 'slow'],
    [quick, 'quick'],
  ] as const) {
    expect(policy.calls.map(({ body }) => JSON.stringify(body).includes(`"${question}"`))).toEqual([true, true]);
    await expectTrace(adapter, { policy, rollout }, goldenTraces['tool call']);
  }
};

/** Tests 20 rollouts of one agent, half of them streamed; one of its two agents stays on the model that all share. */
const concurrent: Scenario = async (adapter, servers) => {
  const agent = nestedAgent();
  const own = await servers.start('own', atAnyTime(agent));
  const built = await buildAgent(adapter, agent, own, { wrappers: [{ agentMatch: /helper/ }] });
  const runs = await Promise.all(Array.from({ length: 20 }, () => startPolicyRollout(servers, atAnyTime(agent))));
  const answers = await Promise.all(
    runs.map(({ rollout }, index) => rollout.run(() => built[index % 2 === 0 ? 'run' : 'stream'](`question ${index}`))),
  );
  expect(answers).toEqual(Array(20).fill(agent.answer));
  expect(own.calls).toHaveLength(40);
  for (const started of runs) {
    expect(started.policy.calls).toHaveLength(1);
    await expectTrace(adapter, started, goldenTraces['agentMatch subset']);
  }
};

/** Returns a script with the same replies after a random wait, so that runs overtake each other. */
function atAnyTime({ script }: ScenarioAgent): AgentScript {
  return async (turn) => {
    const reply = await script(turn);
    return { ...(typeof reply === 'string' ? { content: reply } : reply), delayMs: Math.random() * 20 };
  };
}

/** Tests that a wrapped agent outside rollouts acts as the agent itself: the same answers, the same requests, nothing traced. */
const outside: Scenario = async (adapter, servers) => {
  const agent = lookupAgent();
  const [bareServer, wrappedServer] = [
    await servers.start('own', agent.script),
    await servers.start('own', agent.script),
  ];
  const bare = await buildAgent(adapter, agent, bareServer, { wrappers: [] });
  const wrapped = await buildAgent(adapter, agent, wrappedServer);
  for (const [how, question] of [
    ['run', 'one'],
    ['stream', 'two'],
  ] as const) {
    expect(await bare[how](question)).toBe(agent.answer);
    expect(await wrapped[how](question)).toBe(agent.answer);
  }
  expect(requestsOf(wrappedServer)).toEqual(requestsOf(bareServer));
  await expectUntouchedAfterRollout(adapter, servers, agent);
};

async function expectUntouchedAfterRollout(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  agent: ScenarioAgent,
): Promise<void> {
  const own = await servers.start('own', agent.script);
  const wrapped = await buildAgent(adapter, agent, own);
  const { rollout, policy } = await startPolicyRollout(servers, agent.script);
  await rollout.run(() => wrapped.run('inside'));
  const traced = (await rollout.spans()).length;
  expect(await wrapped.run('after')).toBe(agent.answer);
  expect([own.calls.length, policy.calls.length, (await rollout.spans()).length]).toEqual([2, 2, traced]);
}

type IsolationScenario = 'two runs interleaved' | '20 concurrent runs' | 'outside a rollout';

/** Tests of the scenarios with several runs. */
export const isolationScenarios: Readonly<Record<IsolationScenario, Scenario>> = {
  'two runs interleaved': interleaved,
  '20 concurrent runs': concurrent,
  'outside a rollout': outside,
};
