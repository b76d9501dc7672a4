import { attributeNames, type NamedResources } from '@agent-lightning/core';
import { promptKit, runInRollout, type AgentOptions, type FoundPrompt } from '@agent-lightning/tracing';
import { expect } from 'vitest';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { buildAgent, requestsOf, type BuiltAgent, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { lookupAgent, nestedAgent, type ScenarioAgent } from './scenario-agents.ts';
import { startTestRollout } from './test-rollout.ts';

/** Tests that a rollout's texts take the place of the prompts of selected agents, and of their tools, in calls to their own models, and nothing else changes. */
export const promptsReplaced: Scenario = async (adapter, servers) => {
  const helper = { before: 'You are helper. Answer the question.', after: 'You are helper. Answer "well".' };
  const boss = { before: 'You are boss. Answer the question.', after: 'You are boss. Never.' };
  await expectReplaced(adapter, servers, nestedAgent(), [{ agentMatch: /helper/ }], (agentOf) => [
    { found: { name: 'helper/system', kind: 'system', agent: agentOf(helper.before), text: helper.before }, ...helper },
    // The boss is not selected: its prompt stays.
    { found: { name: 'boss/system', kind: 'system', text: boss.before }, before: boss.before, after: boss.before },
  ]);
  const tool = { before: 'Looks up the value of a key.', after: 'Finds what a key stands for.' };
  await expectReplaced(adapter, servers, lookupAgent(), [{}], () => [
    { found: { name: 'tool:lookup/description', kind: 'tool', tool: 'lookup', text: tool.before }, ...tool },
  ]);
};

interface Change {
  readonly found: Omit<FoundPrompt, 'slots'>;
  readonly before: string;
  /** The text that every call must have in the place of the one before. */
  readonly after: string;
}

/** Expects that a wrapped agent sends what the bare one sends, but for the changes. */
async function expectReplaced(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  agent: ScenarioAgent,
  wrappers: readonly AgentOptions[],
  changesOf: (agentOf: (text: string) => string) => readonly Change[],
): Promise<void> {
  const [bareServer, server] = [await servers.start('own', agent.script), await servers.start('own', agent.script)];
  const bare = await buildAgent(adapter, agent, bareServer, { wrappers: [] });
  const wrapped = await buildAgent(adapter, agent, server, { wrappers });
  const seen = await watchTexts(wrapped, agent);
  const changes = changesOf((text) => seen.find((each) => each.text === text)?.agent ?? `nobody said ${text}`);
  const texts = Object.fromEntries(
    changes.map(({ found, before, after }) => [found.name, before === after ? 'never' : after]),
  );
  const found = changes.map((change) => ({ ...change.found, slots: [] }));
  const resources = promptKit.toPromptResources(found, texts);
  const watched = server.calls.length;
  for (const how of ['run', 'stream'] as const) {
    expect(await bare[how](how)).toBe(agent.answer);
    expect(await inRollout(resources, () => wrapped[how](how))).toMatchObject({ answer: agent.answer });
  }
  const expected = changes.reduce(
    (text, { before, after }) => text.replaceAll(JSON.stringify(before), () => JSON.stringify(after)),
    JSON.stringify(requestsOf(bareServer)),
  );
  expect(requestsOf(server).slice(watched)).toEqual(JSON.parse(expected));
  expect(expected).not.toBe(JSON.stringify(requestsOf(bareServer)));
}

/** Runs the agent while it is watched, and returns the texts of its calls, each with the most telling name of the agent that had it. */
async function watchTexts(
  built: BuiltAgent,
  { answer }: ScenarioAgent,
): Promise<readonly { readonly text: string; readonly agent: string }[]> {
  const watched = await inRollout(promptKit.toWatchResources(['system', 'tool']), () => built.run('watched'));
  expect(watched.answer).toBe(answer);
  return watched.spans.flatMap(({ attributes }) => {
    const places = attributes[attributeNames.promptPlaces];
    const names = attributes[attributeNames.agentNames] as readonly string[];
    if (typeof places !== 'string') return [];
    return (JSON.parse(places) as { text: string }[]).map(({ text }) => ({ text, agent: names[0]! }));
  });
}

async function inRollout(resources: NamedResources, work: () => Promise<string>) {
  const rollout = startTestRollout();
  const answer = await runInRollout({ ...rollout.scope, resources }, work);
  return { answer, spans: await rollout.spans() };
}
