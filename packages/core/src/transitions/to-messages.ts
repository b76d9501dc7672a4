import { checkAgentMatch } from '../checks/check-agent-match.ts';
import { checkKnownOptions } from '../known-options.ts';
import { matchesAgent, type AgentMatch } from '../vocabulary/agent-match.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import type { ChatMessage } from '../vocabulary/chat-message.ts';
import type { JsonValue } from '../vocabulary/json.ts';
import type { Span } from '../vocabulary/span.ts';
import { traceCalls, type ModelCall } from './model-calls.ts';
import type { TraceProblem } from './transition.ts';

/** One model call as chat messages, in the shape of OpenAI's fine-tuning files; for supervised training and prompt optimisation. */
export interface Conversation {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly spanId: string;
  readonly sequenceId: number;
  /** The names of the agent that called, most specific first. */
  readonly agentNames: readonly string[];
  /** The messages of the request, then the assistant's answer; none of them is rewritten. */
  readonly messages: readonly ChatMessage[];
  /** The tools that were on offer; null when there were none. */
  readonly tools: readonly JsonValue[] | null;
  /** True where the token limit cut the answer off. */
  readonly isTruncated?: true;
}

export interface Conversations {
  /** The conversations, by attempt in the order given, and within an attempt by sequence id; a call with several choices gives one for each. */
  readonly conversations: readonly Conversation[];
  /** Calls whose messages were not recorded or are not JSON. */
  readonly problems: readonly TraceProblem[];
}

export interface ToMessagesOptions {
  /** Selects the agents whose calls count. @default all */
  readonly agentMatch?: AgentMatch;
}

/**
 * Returns the conversations of any number of attempts, whoever answered them: a policy, another model, captured or only reported.
 * Failed calls and responses that the agent never used are left out.
 * @throws {ConfigurationError} `option-invalid` for an `agentMatch` that names no agent
 */
export function toMessages(spans: readonly Span[], options: ToMessagesOptions = {}): Conversations {
  checkKnownOptions('toMessages', options, { agentMatch: true });
  if (options.agentMatch !== undefined) checkAgentMatch('agentMatch', options.agentMatch);
  const conversations: Conversation[] = [];
  const problems: TraceProblem[] = [];
  const attempts = Map.groupBy(spans, (span) => JSON.stringify([span.rolloutId, span.attemptId]));
  for (const call of [...attempts.values()].flatMap((attempt) => traceCalls(attempt).calls)) {
    const isUnused = call.replaced || call.discarded !== undefined || call.span.status.code === 'error';
    if (isUnused || !matchesAgent(call.agentNames, options.agentMatch)) continue;
    const read = readConversations(call);
    if (typeof read === 'string') problems.push({ spanId: call.span.spanId, reason: read });
    else for (const conversation of read) conversations.push(conversation);
  }
  return { conversations, problems };
}

function readConversations(call: ModelCall): readonly Conversation[] | string {
  const { span } = call;
  const input = readList(call, attributeNames.inputMessages);
  const output = readList(call, attributeNames.outputMessages);
  const tools = readList(call, attributeNames.toolDefinitions);
  if (input === undefined || !input.every(isMessage)) return 'the call has no readable input messages';
  if (output === undefined || output.length === 0 || !output.every(isMessage))
    return 'the call has no readable output messages';
  const reasons = readFinishReasons(call);
  return output.map((answer, choice) => ({
    rolloutId: span.rolloutId,
    attemptId: span.attemptId,
    spanId: span.spanId,
    sequenceId: span.sequenceId,
    agentNames: call.agentNames,
    messages: [...input, answer],
    tools: tools === undefined || tools.length === 0 ? null : tools,
    ...(reasons[choice] === 'length' && { isTruncated: true as const }),
  }));
}

/** Reads why each choice of a call ended. */
function readFinishReasons(call: ModelCall): readonly unknown[] {
  const reasons =
    call.gateway?.attributes[attributeNames.finishReasons] ?? call.framework?.attributes[attributeNames.finishReasons];
  return Array.isArray(reasons) ? reasons : [reasons];
}

/** Reads a JSON list from an attribute of the gateway's span, or else of the framework's. */
function readList(call: ModelCall, attribute: string): readonly JsonValue[] | undefined {
  const text = call.gateway?.attributes[attribute] ?? call.framework?.attributes[attribute];
  if (typeof text !== 'string') return undefined;
  try {
    const value = JSON.parse(text) as JsonValue;
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // The caller names the call whose messages cannot be read.
  }
}

function isMessage(value: JsonValue): value is ChatMessage & JsonValue {
  return typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string';
}
