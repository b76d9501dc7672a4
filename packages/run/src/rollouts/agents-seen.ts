import type { Episode } from '@agent-lightning/core';

/** An `agentMatch` that selected none of the agents that ran under it. */
export interface UnmatchedPattern {
  /** The `agentMatch` as the user wrote it. */
  readonly match: string;
  /** Says which agents ran, and what to do. */
  readonly message: string;
}

/** Finds each `agentMatch` that selected no agent in any of these rollouts. */
export function findUnmatchedPatterns(episodes: readonly Episode[]): readonly UnmatchedPattern[] {
  const seen = agentsOf(episodes);
  const asked = new Set(seen.flatMap(({ unmatched }) => unmatched));
  return [...asked].flatMap((match) => {
    if (seen.some((agent) => agent.match === match)) return [];
    const agents = seen.filter(({ unmatched }) => unmatched.includes(match));
    const message = `agents seen: ${listNames(agents)}; none matches ${match}. An agentMatch is tested against an agent's names, which are its node, its path and its agent's name; correct it`;
    return [{ match, message }];
  });
}

/** Lists every agentMatch that selected an agent in one of these rollouts. */
export function listMatchedPatterns(episodes: readonly Episode[]): readonly string[] {
  return agentsOf(episodes).flatMap(({ match }) => (match === undefined ? [] : [match]));
}

/** Says where those calls of selected agents went that did not go through the gateway. */
export function describeOutsideCalls(episodes: readonly Episode[]): readonly string[] {
  const calls = episodes.flatMap(({ untrainable }) => untrainable.filter(({ outside }) => outside !== undefined));
  const groups = Map.groupBy(calls, ({ agentName, outside }) =>
    JSON.stringify([agentName, outside?.host, outside?.client]),
  );
  return [...groups.values()].map((group) => {
    const { agentName, outside } = group[0]!;
    const who = `${group.length} ${group.length === 1 ? 'call' : 'calls'} of agent ${agentName || '(no name)'}`;
    const client = outside?.client === undefined ? '' : ` (sent by ${outside.client})`;
    return outside?.host === undefined
      ? `${who} did not go through the gateway, and no HTTP request was seen; ${remedy}`
      : `${who} went to ${outside.host}, not through the gateway${client}; ${remedyFor(outside.host)}`;
  });
}

/** Says why no call of these rollouts trains, as far as the agents and the hosts that were called tell. */
export function explainNoCalls(episodes: readonly Episode[]): string {
  const known = [
    ...findUnmatchedPatterns(episodes).map(({ message }) => message),
    ...describeOutsideCalls(episodes),
    ...describeUnwrappedCalls(episodes),
  ];
  if (known.length > 0) return known.join('. ');
  const agents = agentsOf(episodes);
  const seen = agents.length === 0 ? '' : `agents seen: ${listNames(agents)}; `;
  return `${seen}wrap the agent by withLightning with an agentMatch that selects its nodes, or send its calls to context.llm. Where the run has policies, one of theirs must match as well`;
}

const remedy =
  'aim its client at context.llm.baseUrl, or let it use the global fetch and a dialect that the gateway serves';

const makers: readonly (readonly [maker: string, host: RegExp])[] = [
  ['Google', /(^|\.)googleapis\.com$/],
  ['Amazon Bedrock', /(^|\.)amazonaws\.com(\.cn)?$/],
  ['Ollama', /^(localhost|127\.0\.0\.1):11434$/],
  ['Cohere', /(^|\.)cohere\.(com|ai)$/],
];

/** Says what to do about calls to a host; no calls to Google, Amazon and others are redirected, whatever client sends them. */
function remedyFor(host: string): string {
  const maker = makers.find(([, pattern]) => pattern.test(host))?.[0];
  if (maker === undefined) return remedy;
  return `the dialect of ${maker} is not redirected: in training, give the agent a client of OpenAI or Anthropic, such as ChatOpenAI; of the AI SDK, withLightning(model) is enough`;
}

function describeUnwrappedCalls(episodes: readonly Episode[]): readonly string[] {
  const calls = episodes.flatMap(({ otherCalls = [] }) => otherCalls.filter(({ isWrapped }) => !isWrapped));
  const hosts = calls.flatMap(({ host }) => host ?? []);
  return [...Map.groupBy(hosts, (host) => host)].map(
    ([host, { length }]) =>
      `${length} model calls went to ${host} from code that no wrapped agent ran; run the agent that withLightning returned, or send its calls to context.llm`,
  );
}

function agentsOf(episodes: readonly Episode[]): readonly NonNullable<Episode['agents']>[number][] {
  return episodes.flatMap(({ agents = [] }) => agents);
}

/** Lists the names of the agents that called a model, or of all agents where none did. */
function listNames(agents: readonly NonNullable<Episode['agents']>[number][]): string {
  const callers = agents.filter(({ calls }) => calls > 0);
  return [...new Set((callers.length > 0 ? callers : agents).map(({ name }) => name))].join(', ');
}
