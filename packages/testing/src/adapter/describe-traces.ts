import { expect } from 'vitest';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { buildAgent, expectTrace, startPolicyRollout, type ContractServers } from './contract-run.ts';
import { productionMode } from './describe-production.ts';
import { goldenTraces } from './golden-traces.ts';
import {
  failingToolAgent,
  handoffAgent,
  lookupAgent,
  nestedAgent,
  parallelAgent,
  plainAgent,
  type ScenarioAgent,
} from './scenario-agents.ts';
import { startTestRollout } from './test-rollout.ts';

/** The test of a scenario. */
export type Scenario = (adapter: AdapterUnderTest, servers: ContractServers) => Promise<void>;

/** Returns the test of a run that succeeds with the trace of that name and makes every call to the policy. */
function golden(
  name: keyof typeof goldenTraces,
  agentOf: () => ScenarioAgent,
  how: 'run' | 'stream' = 'run',
): Scenario {
  return async (adapter, servers) => {
    const agent = agentOf();
    const own = await servers.start('own', agent.script);
    const started = await startPolicyRollout(servers, agent.script);
    const built = await buildAgent(adapter, agent, own);
    expect(await started.rollout.run(() => built[how]('q'))).toBe(agent.answer);
    expect(own.calls).toHaveLength(0);
    await expectTrace(adapter, started, goldenTraces[name]);
  };
}

const agentMatchSubset: Scenario = async (adapter, servers) => {
  const agent = nestedAgent();
  const own = await servers.start('own', agent.script);
  const started = await startPolicyRollout(servers, agent.script);
  const built = await buildAgent(adapter, agent, own, { wrappers: [{ agentMatch: /helper/ }] });
  expect(await started.rollout.run(() => built.run('q'))).toBe(agent.answer);
  expect(own.calls.map(({ headers }) => headers.authorization)).toEqual(['Bearer own-key', 'Bearer own-key']);
  expect(own.calls.map(({ body }) => (body as { model?: unknown }).model)).toEqual(['own-model', 'own-model']);
  expect(own.calls.flatMap(({ headers }) => Object.keys(headers)).filter((name) => /lightning/.test(name))).toEqual([]);
  await expectTrace(adapter, started, goldenTraces['agentMatch subset']);
};

const tracingOnly: Scenario = async (adapter, servers) => {
  const agent = lookupAgent();
  const own = await servers.start('own', agent.script);
  const rollout = startTestRollout();
  const built = await buildAgent(adapter, agent, own);
  expect(await rollout.run(() => built.run('q'))).toBe(agent.answer);
  await expectTrace(adapter, { rollout }, goldenTraces['tracing only']);
};

const modelError: Scenario = async (adapter, servers) => {
  const agent = plainAgent();
  const own = await servers.start('own', agent.script);
  const started = await startPolicyRollout(servers, () => ({
    fault: { type: 'status', status: 400, message: 'prompt too long' },
  }));
  const built = await buildAgent(adapter, agent, own);
  await expect(started.rollout.run(() => built.run('q'))).rejects.toThrow('prompt too long');
  expect(own.calls).toHaveLength(0);
  await expectTrace(adapter, started, goldenTraces['model error']);
  const [call] = await started.rollout.spans('model_call');
  expect(call?.status.message).toContain('prompt too long');
};

const modelErrorWithRetry: Scenario = async (adapter, servers) => {
  const agent = plainAgent();
  const own = await servers.start('own', agent.script);
  const started = await startPolicyRollout(servers, ({ turn }) =>
    turn < 3
      ? { fault: { type: 'status', status: 503, headers: { 'retry-after-ms': '1', 'retry-after': '0.001' } } }
      : agent.answer,
  );
  const built = await buildAgent(adapter, agent, own, { maxRetries: 3 });
  expect(await started.rollout.run(() => built.run('q'))).toBe(agent.answer);
  expect(started.policy.calls).toHaveLength(3);
  await expectTrace(adapter, started, goldenTraces['model error with retry']);
};

const abort: Scenario = async (adapter, servers) => {
  const agent = plainAgent();
  const own = await servers.start('own', agent.script);
  const { promise: isAsked, resolve } = Promise.withResolvers<void>();
  const started = await startPolicyRollout(servers, () => {
    resolve();
    return { fault: { type: 'stall', afterEvents: 0 } };
  });
  const built = await buildAgent(adapter, agent, own);
  const failed = expect(started.rollout.run(() => built.run('q'))).rejects.toThrow();
  await isAsked;
  started.rollout.abort();
  await failed;
  expect(await started.policy.calls[0]?.finished).toBe(false);
  expect(own.calls).toHaveLength(0);
  await started.rollout.scope.recorder.close();
  await expectTrace(adapter, started, goldenTraces.abort);
};

/** Tests of the scenarios with one run, each with its golden trace. */
export const traceScenarios: Readonly<Record<keyof typeof goldenTraces, Scenario>> = {
  'single turn': golden('single turn', plainAgent),
  'tool call': golden('tool call', lookupAgent),
  'parallel tools': golden('parallel tools', parallelAgent),
  handoff: golden('handoff', handoffAgent),
  'nested run': golden('nested run', nestedAgent),
  streaming: golden('streaming', lookupAgent, 'stream'),
  abort,
  'model error': modelError,
  'model error with retry': modelErrorWithRetry,
  'tool error': golden('tool error', failingToolAgent),
  'agentMatch subset': agentMatchSubset,
  'tracing only': tracingOnly,
  'production mode': productionMode,
};
