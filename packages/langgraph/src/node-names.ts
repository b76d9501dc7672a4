/** What LangGraph and LangChain's `createAgent` say in a run's metadata about where it belongs. */
export interface NodeMetadata {
  readonly langgraph_node?: unknown;
  readonly langgraph_checkpoint_ns?: unknown;
  readonly lc_agent_name?: unknown;
}

/** The place of a run among graphs and nodes. */
export interface NodePlace {
  /** The node; undefined outside nodes. */
  readonly node: string | undefined;
  /** One execution of the node: its path with LangGraph's task ids. Two runs of one execution have the same. */
  readonly execution: string | undefined;
  /** The `createAgent` agent around the run. */
  readonly agent: string | undefined;
}

export function readPlace(metadata: NodeMetadata | undefined): NodePlace {
  return {
    node: text(metadata?.langgraph_node),
    execution: text(metadata?.langgraph_checkpoint_ns),
    agent: text(metadata?.lc_agent_name),
  };
}

/** The names that `agentMatch` is tested against, most specific first: the node, its path from the outermost graph, the agent. */
export function placeNames({ node, execution, agent }: NodePlace): readonly string[] {
  const names = [node, execution === undefined ? undefined : nodePath(execution), agent];
  return names.filter((name, index): name is string => name !== undefined && names.indexOf(name) === index);
}

/** `reviewer:<task id>|critic:<task id>` → `reviewer/critic`. */
export function nodePath(execution: string): string {
  return execution
    .split('|')
    .map((part) => (part.includes(':') ? part.slice(0, part.lastIndexOf(':')) : part))
    .join('/');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
