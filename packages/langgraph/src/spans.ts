import {
  agentSpan,
  answerAttributes,
  attemptSpan,
  markExecution,
  modelCallSpan,
  toolOutcome,
  toolSpan,
  type AgentOptions,
  type FrameworkRun,
  type FrameworkSpan,
  type SpanOutcome,
  type ToolCallStart,
} from '@agent-lightning/tracing';
import { attributeNames, type Attributes } from '@agent-lightning/core';
import type { LLMResult } from '@langchain/core/outputs';

/** Holds what LangGraph and LangChain's `createAgent` say in a run's metadata about where it belongs. */
export interface NodeMetadata {
  readonly langgraph_node?: unknown;
  readonly langgraph_checkpoint_ns?: unknown;
  readonly lc_agent_name?: unknown;
  readonly lc_source?: unknown;
}

/** The place of a run among graphs and nodes. */
export interface NodePlace {
  /** The node; undefined outside nodes. */
  readonly node: string | undefined;
  /** One execution of the node: its path with LangGraph's task ids. Two runs of one execution have the same. */
  readonly execution: string | undefined;
  /** The `createAgent` agent around the run. */
  readonly agent: string | undefined;
  /** The innermost graph around the run, where it was given a name. */
  readonly graph?: string | undefined;
  /** The middleware of LangChain that makes the call, as it says itself: `summarization`, `llmToolSelector`, `toolEmulation`. */
  readonly source?: string | undefined;
  /** The wrappers that say nothing about what runs beside the agents; set where this run or one around it is beside its agent. */
  readonly silent?: Set<AgentOptions> | undefined;
  /** The id of the run, where it tries its children one after the other until one succeeds: `withRetry` and `withFallbacks`. */
  readonly attempts?: string | undefined;
}

/** Reads the place of a run from its metadata; what a graph is called it does not say. */
export function readPlace(metadata: NodeMetadata | undefined, graph?: string): NodePlace {
  return {
    node: text(metadata?.langgraph_node),
    execution: text(metadata?.langgraph_checkpoint_ns),
    agent: text(metadata?.lc_agent_name),
    graph,
    source: text(metadata?.lc_source),
  };
}

/** The nodes of hooks: of the middleware of `createAgent`, and of `createReactAgent`. A model that they call was given to them. */
const hookNode = /\.(?:before|after)_(?:agent|model)$|^(?:pre|post)_model_hook$/;

const isHook = (node: string | undefined): boolean => node !== undefined && hookNode.test(node);

/** Tells whether code at this place is beside the own work of the agent: it may have a model that was given for it. */
export function isBesideAgent({ node, source }: NodePlace): boolean {
  return source !== undefined || isHook(node);
}

/** The name of a graph that was given none. */
const unnamedGraph = 'LangGraph';

/** Tells whether a run is one of a compiled graph, by what LangChain says of its class; an `entrypoint` is none, whose body is its node. */
export function isGraphRun(classPath: readonly string[]): boolean {
  return classPath[0] === 'langgraph' && classPath.at(-1)?.startsWith('Compiled') === true;
}

/** Tells whether a run tries its children one after the other, by what LangChain says of its class. */
export function triesChildren(classPath: readonly string[]): boolean {
  return ['RunnableRetry', 'RunnableWithFallbacks'].includes(classPath.at(-1) ?? '');
}

/** Returns the name that a graph was given, where it was given one. */
export function graphName(runName: string | undefined): string | undefined {
  return runName === unnamedGraph ? undefined : text(runName);
}

/** The nodes of the agents that LangChain and LangGraph build: they say what is done, and not who does it. */
const prebuiltNodes: ReadonlySet<string> = new Set(['agent', 'model_request', 'tools', 'generate_structured_response']);

/**
 * Returns the names that `agentMatch` is tested against, the most telling first: the node, its path from the outermost graph, the agent, the
 * graph. For a node of a prebuilt agent the agent's own name comes first, and the node that the agent is among its names. What is beside its
 * agent goes by the middleware and by the node of its hook alone.
 */
export function placeNames({ node, execution, agent, graph, source }: NodePlace): readonly string[] {
  const path = execution === undefined ? undefined : nodePath(execution);
  if (isBesideAgent({ node, execution, agent, source })) return known([source, ...(isHook(node) ? [node, path] : [])]);
  const isPrebuilt = node !== undefined && prebuiltNodes.has(node);
  const around = isPrebuilt ? path?.split('/').at(-2) : undefined;
  const owner = agent ?? graph ?? around;
  return known([...(isPrebuilt ? [owner] : []), node, path, agent, graph, around]);
}

/** Returns the names that there are, each once. */
function known(names: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(names.filter((name) => name !== undefined))];
}

/**
 * Returns the path of an execution: `reviewer/critic` for `reviewer:<task id>|critic:<task id>`. The number that LangGraph puts between
 * them when a node calls its second graph, or is run again, is left out.
 */
export function nodePath(execution: string): string {
  return execution
    .split('|')
    .filter((part) => !/^\d+$/.test(part))
    .map((part) => (part.includes(':') ? part.slice(0, part.lastIndexOf(':')) : part))
    .join('/');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const hiddenTag = 'langsmith:hidden';

/**
 * Describes the spans of chains: the outermost run, each execution of a node, each agent that `createAgent` names, and each attempt of
 * `withRetry` and `withFallbacks`. What may be executed again has the name of its execution, so that training knows which answers were
 * thrown away.
 */
export function describeChain(
  runName: string | undefined,
  tags: readonly string[] | undefined,
  place: NodePlace,
  parent: NodePlace | undefined,
): FrameworkSpan | undefined {
  if (tags?.includes(hiddenTag) === true) return undefined;
  const isNode = runName !== undefined && runName === place.node && place.execution !== parent?.execution;
  if (isNode) return markExecution(agentSpan(runName, placeNames(place)), place.execution);
  if (place.agent !== undefined && place.agent !== parent?.agent) return agentSpan(place.agent, [place.agent]);
  if (parent === undefined) return agentSpan(runName ?? 'graph', [runName ?? 'graph']);
  if (parent.attempts !== undefined) return attemptSpan(parent.attempts);
  return undefined;
}

/** Describes a tool call; one that is run again within its node, or with it, is the same execution. */
export function describeTool(call: ToolCallStart, { execution }: NodePlace): FrameworkSpan {
  const isKnown = execution !== undefined && call.callId !== undefined;
  return markExecution(toolSpan(call), isKnown ? `${execution}|${call.callId}` : undefined);
}

/** Describes a model call by what LangChain says when it begins. */
export function describeModelCall(
  operation: 'chat' | 'text_completion',
  place: NodePlace,
  parent: NodePlace | undefined,
  extraParams: Record<string, unknown> | undefined,
): FrameworkSpan {
  const { model, temperature } = (extraParams?.['invocation_params'] ?? {}) as {
    readonly model?: unknown;
    readonly temperature?: unknown;
  };
  return markExecution(modelCallSpan({ operation, names: placeNames(place), model, temperature }), parent?.attempts);
}

/** Puts a run at its place: what happens in the same execution of a node belongs to the same agent. */
export function placeRun(
  place: NodePlace,
  parent: NodePlace | undefined,
  span: FrameworkSpan | undefined,
): FrameworkRun<NodePlace> {
  const isSamePlace =
    place.execution === parent?.execution &&
    place.node === parent?.node &&
    place.agent === parent?.agent &&
    place.graph === parent?.graph &&
    place.source === parent?.source;
  if (parent !== undefined && isSamePlace) return { span, detail: place };
  return { span, detail: place, names: placeNames(place), isBeside: isBesideAgent(place) };
}

/** The parts of an AIMessage that are read, for every version and copy of LangChain. */
interface ResponseMessage {
  readonly id?: unknown;
  readonly response_metadata?: Readonly<Record<string, unknown>>;
  readonly usage_metadata?: {
    readonly input_tokens?: unknown;
    readonly output_tokens?: unknown;
    readonly input_token_details?: { readonly cache_read?: unknown };
  };
}

/** Reads what LangChain says of the answer: above all the response id, by which this span is joined with the gateway's. */
export function answerOf(output: LLMResult, extraParams: Record<string, unknown> | undefined): SpanOutcome {
  const generation = output.generations[0]?.[0] as
    | { readonly message?: ResponseMessage; readonly generationInfo?: Record<string, unknown> }
    | undefined;
  const message = generation?.message;
  const metadata = message?.response_metadata ?? {};
  const attributes: Attributes = answerAttributes({
    responseId: readResponseId(message),
    model: metadata['model_name'] ?? metadata['model'],
    finishReason: metadata['finish_reason'] ?? generation?.generationInfo?.['finish_reason'],
    inputTokens: message?.usage_metadata?.input_tokens,
    outputTokens: message?.usage_metadata?.output_tokens,
    cachedTokens: message?.usage_metadata?.input_token_details?.cache_read,
  });
  if (extraParams?.['cached'] !== true) return { attributes };
  const untrainable = 'answered from LangChain’s cache: no model was asked';
  return { attributes: { ...attributes, [attributeNames.untrainable]: untrainable } };
}

/**
 * Reads the id that the server gave; LangChain makes up `run-…` where it gave none. The Responses API has its own, and one of the message
 * beside it, which begins with `msg_` as Anthropic's ids of responses do.
 */
function readResponseId(message: ResponseMessage | undefined): string | undefined {
  const metadata = message?.response_metadata ?? {};
  const isAnthropic = metadata['model_provider'] === 'anthropic';
  return [metadata['id'], message?.id].find(
    (id): id is string =>
      typeof id === 'string' && id !== '' && !id.startsWith('run-') && (isAnthropic || !id.startsWith('msg_')),
  );
}

/** Returns the outcome of a tool that did not throw; it may have failed all the same, and return a message that says so. */
export function toolAnswer(output: unknown): SpanOutcome {
  const { status, content } = (typeof output === 'object' && output !== null ? output : {}) as {
    readonly status?: unknown;
    readonly content?: unknown;
  };
  return toolOutcome(typeof output === 'string' ? output : (content ?? output), status === 'error');
}
