import { attributeNames, type NamedResources } from '@agent-lightning/core';
import { promptKit, runInRollout, type AgentOptions, type FoundPrompt } from '@agent-lightning/tracing';
import { expect } from 'vitest';
import type { ModelServer } from '../model-server/model-server.ts';
import type { AdapterUnderTest } from './adapter-under-test.ts';
import { buildAgent, requestsOf, type BuiltAgent, type ContractServers } from './contract-run.ts';
import type { Scenario } from './describe-traces.ts';
import { lookupAgent, nestedAgent, type ScenarioAgent } from './scenario-agents.ts';
import { startTestRollout } from './test-rollout.ts';

/** A prompt in the calls of a scenario's agent, and the text that every call must have in its place. */
interface Change {
  readonly found: Omit<FoundPrompt, 'slots' | 'agent' | 'name'>;
  readonly after: string;
}

/** An agent whose prompts are replaced. */
interface PromptedAgent {
  readonly agent: ScenarioAgent;
  readonly options: AgentOptions;
  readonly change: Change;
}

/** The helper is selected and the boss is not; a tool's description is replaced beside. */
const promptedAgents = (): readonly PromptedAgent[] => [
  {
    agent: nestedAgent(),
    options: { agentMatch: /helper/ },
    change: {
      found: { kind: 'system', text: 'You are helper. Answer the question.' },
      after: 'You are helper. Answer "well".',
    },
  },
  {
    agent: lookupAgent(),
    options: {},
    change: {
      found: { kind: 'tool', tool: 'lookup', text: 'Looks up the value of a key.' },
      after: 'Finds what a key stands for.',
    },
  },
];

/** A prompt of the agent that is not selected: it stays, though there is a text for it. */
const unselected: FoundPrompt = {
  name: 'boss/system',
  kind: 'system',
  text: 'You are boss. Answer the question.',
  slots: [],
};

/** Tests that a rollout's texts take the place of the prompts of selected agents, and of their tools, in calls to their own models, and nothing else changes. */
const promptsReplaced: Scenario = async (adapter, servers) => {
  for (const prompted of promptedAgents()) {
    const { agent, options } = prompted;
    const server = await servers.start('own', agent.script);
    const wrapped = await buildAgent(adapter, agent, server, { wrappers: [options] });
    const resources = await findResources(prompted, wrapped);
    const watched = server.calls.length;
    await expectRequests(adapter, servers, prompted, { server, watched, prompted: wrapped }, (work) =>
      inRollout(resources, work).then(({ answer }) => answer),
    );
  }
};

/** Tests that promoted prompts take the place of an agent's own outside rollouts, none that are not promoted, and that a rollout has its own. */
const promotedPrompts: Scenario = async (adapter, servers) => {
  for (const prompted of promptedAgents()) {
    const { agent, options } = prompted;
    const watching = await buildAgent(adapter, agent, await servers.start('own', agent.script), {
      wrappers: [options],
    });
    const resources = await findResources(prompted, watching);
    const outside: Run = (work) => work();
    const training: Run = async (work) => (await inRollout({}, work)).answer;
    const cases = [
      [{ version: 1, resources }, outside, prompted.change],
      [{ version: undefined, resources: {} }, outside, undefined],
      [{ version: 1, resources }, training, undefined],
    ] as const;
    for (const [prompts, run, change] of cases) {
      // Of its own: the script tells the turns of a question apart.
      const server = await servers.start('own', agent.script);
      const built = await buildAgent(adapter, agent, server, { wrappers: [{ ...options, prompts }] });
      await expectRequests(adapter, servers, { agent, change }, { server, watched: 0, prompted: built }, run);
    }
  }
};

type Run = (work: () => Promise<string>) => Promise<string>;

/** Expects that a wrapped agent sends what the bare one sends, but for the change. */
async function expectRequests(
  adapter: AdapterUnderTest,
  servers: ContractServers,
  { agent, change }: Pick<PromptedAgent, 'agent'> & { readonly change: Change | undefined },
  {
    server,
    watched,
    prompted,
  }: { readonly server: ModelServer; readonly watched: number; readonly prompted: BuiltAgent },
  run: Run,
): Promise<void> {
  const bareServer = await servers.start('own', agent.script);
  const bare = await buildAgent(adapter, agent, bareServer, { wrappers: [] });
  for (const how of ['run', 'stream'] as const) {
    expect(await bare[how](how)).toBe(agent.answer);
    expect(await run(() => prompted[how](how))).toBe(agent.answer);
  }
  const sent = JSON.stringify(requestsOf(bareServer));
  const before = JSON.stringify(change?.found.text ?? '');
  expect(change === undefined || sent.includes(before)).toBe(true);
  const expected = change === undefined ? sent : sent.replaceAll(before, () => JSON.stringify(change.after));
  expect(requestsOf(server).slice(watched)).toEqual(JSON.parse(expected));
}

/** Watches the agent, and returns the resources that replace its prompt, which is that of the agent by the name that it has in the framework. */
async function findResources({ agent, change }: PromptedAgent, built: BuiltAgent): Promise<NamedResources> {
  const { answer, spans } = await inRollout(promptKit.toWatchResources(['system', 'tool']), () => built.run('watched'));
  expect(answer).toBe(agent.answer);
  const seen = spans.flatMap(({ attributes }) => {
    const places = attributes[attributeNames.promptPlaces];
    const names = attributes[attributeNames.agentNames] as readonly string[] | undefined;
    if (typeof places !== 'string') return [];
    return (JSON.parse(places) as { text: string }[]).map(({ text }) => ({ text, agent: names?.[0] }));
  });
  const owner = seen.find(({ text }) => text === change.found.text);
  expect(owner?.agent).toBeTypeOf('string');
  const found: FoundPrompt = { ...change.found, name: 'changed', agent: owner!.agent!, slots: [] };
  return promptKit.toPromptResources([found, unselected], { changed: change.after, [unselected.name]: 'never' });
}

async function inRollout(resources: NamedResources, work: () => Promise<string>) {
  const rollout = startTestRollout();
  const answer = await runInRollout({ ...rollout.scope, resources }, work);
  return { answer, spans: await rollout.spans() };
}

/** Tests of texts that take the place of an agent's prompts. */
export const promptScenarios: Readonly<Record<'prompts replaced' | 'promoted prompts', Scenario>> = {
  'prompts replaced': promptsReplaced,
  'promoted prompts': promotedPrompts,
};
