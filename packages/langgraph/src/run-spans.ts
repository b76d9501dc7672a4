import {
  attributeNames,
  capText,
  describeValue,
  type AttributeValue,
  type SpanKind,
  type SpanOutcome,
} from '@agent-lightning/core';
import { placeNames, type NodePlace } from './node-names.ts';

/** What a run becomes in the trace. */
export interface RunSpan {
  readonly kind: SpanKind;
  readonly name: string;
  readonly attributes: Record<string, AttributeValue>;
}

const hiddenTag = 'langsmith:hidden';

/** The spans of chains: the outermost run, each execution of a node, and each agent that `createAgent` names. */
export function describeChain(
  runName: string | undefined,
  tags: readonly string[] | undefined,
  place: NodePlace,
  parent: NodePlace | undefined,
): RunSpan | undefined {
  if (tags?.includes(hiddenTag) === true) return undefined;
  const isNode = runName !== undefined && runName === place.node && place.execution !== parent?.execution;
  if (isNode) return agentSpan(runName, placeNames(place));
  if (place.agent !== undefined && place.agent !== parent?.agent) return agentSpan(place.agent, [place.agent]);
  if (parent === undefined) return agentSpan(runName ?? 'graph', [runName ?? 'graph']);
  return undefined;
}

function agentSpan(name: string, names: readonly string[]): RunSpan {
  return {
    kind: 'agent',
    name,
    attributes: {
      [attributeNames.source]: 'framework',
      [attributeNames.agentName]: name,
      [attributeNames.agentNames]: names,
    },
  };
}

export function describeTool(name: string, input: string, toolCallId: string | undefined): RunSpan {
  return {
    kind: 'tool_call',
    name,
    attributes: {
      [attributeNames.source]: 'framework',
      [attributeNames.toolName]: name,
      [attributeNames.toolArguments]: capText(input),
      ...(toolCallId !== undefined && { [attributeNames.toolCallId]: toolCallId }),
    },
  };
}

/** A tool may fail by throwing, or by returning a message that says so. */
export function toolOutcome(output: unknown): SpanOutcome {
  const { status, content } = (typeof output === 'object' && output !== null ? output : {}) as {
    readonly status?: unknown;
    readonly content?: unknown;
  };
  const result = typeof output === 'string' ? output : (content ?? output);
  const text = typeof result === 'string' ? capText(result) : describeValue(result);
  return {
    attributes: { [attributeNames.toolResult]: text },
    ...(status === 'error' && { status: { code: 'error', message: text } }),
  };
}
