import {
  attributeNames,
  toMessages,
  type ChatMessage,
  type Episode,
  type JsonValue,
  type Span,
} from '@agent-lightning/core';
import { describeMessage, saySame, type ShownMessage } from './describe-message.ts';

/** One thing that happened in a rollout, in the order in which it did. */
export type ViewEntry =
  | (ShownMessage & { readonly type: 'message'; readonly agentName: string })
  /** A model call ended: what of it can be trained on, or why nothing can. */
  | { readonly type: 'call'; readonly agentName: string; readonly training: string }
  | { readonly type: 'tool'; readonly name: string; readonly input: string; readonly output: string }
  | { readonly type: 'error'; readonly name: string; readonly text: string }
  | { readonly type: 'emitted'; readonly name: string; readonly text: string };

/** A rollout as a person reads it. */
export interface RolloutView {
  readonly rolloutId: string;
  readonly task: JsonValue;
  readonly status: string;
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  /** The reward that counts; that of a failure among them. */
  readonly reward: number | undefined;
  readonly isFailureReward: boolean;
  /** Every dimension of the reward. */
  readonly rewards: Readonly<Record<string, number>>;
  readonly feedback: string | undefined;
  /** The text that agent and reward wrote by `console`. */
  readonly console: string | undefined;
  readonly entries: readonly ViewEntry[];
}

/** Returns what happened in a rollout: each message once, tool calls, errors and what can be trained on. @param spans of its newest attempt */
export function viewRollout(episode: Episode, spans: readonly Span[]): RolloutView {
  const { rollout, reward, rewards, feedback, isFailureReward = false } = episode;
  const ordered = spans.toSorted((a, b) => a.sequenceId - b.sequenceId);
  const console = ordered.find((span) => span.kind === 'message' && span.name === 'console');
  return {
    rolloutId: rollout.rolloutId,
    task: rollout.input,
    status: rollout.status,
    failure: rollout.failure,
    reward,
    isFailureReward,
    rewards,
    feedback,
    console: console === undefined ? undefined : textAt(console, attributeNames.messageBody),
    entries: listEntries(episode, ordered),
  };
}

type Conversation = ReturnType<typeof toMessages>['conversations'][number];

function listEntries(episode: Episode, spans: readonly Span[]): readonly ViewEntry[] {
  const conversations = toMessages(spans).conversations;
  const bySpan = Map.groupBy(conversations, ({ spanId }) => spanId);
  const shown: (readonly ChatMessage[])[] = [];
  const answered = new Set(conversations.flatMap(({ messages }) => messages.map((message) => message['tool_call_id'])));
  return spans.flatMap((span): readonly ViewEntry[] => {
    const own = bySpan.get(span.spanId);
    if (own !== undefined) return own.flatMap((conversation) => showCall(episode, conversation, shown));
    // The gateway and the framework both report a call; the one with the messages is shown.
    if (span.kind === 'model_call') return span.status.code === 'error' ? [showError(span, 'model call')] : [];
    if (span.kind === 'exception') return [showError(span, textAt(span, attributeNames.exceptionType) ?? 'error')];
    if (span.kind === 'tool_call') return answered.has(textAt(span, attributeNames.toolCallId)) ? [] : [showTool(span)];
    return showEmitted(span);
  });
}

/** Shows the messages of a call that no earlier call has shown, its answer, and what of it can be trained on. */
function showCall(episode: Episode, conversation: Conversation, shown: (readonly ChatMessage[])[]): ViewEntry[] {
  const { messages, agentNames, spanId } = conversation;
  const agentName = agentNames[0] ?? '';
  const known = Math.max(0, ...shown.map((earlier) => countCommon(earlier, messages)));
  shown.push(messages);
  return [
    ...messages
      .slice(Math.min(known, messages.length - 1))
      .map((message): ViewEntry => ({ type: 'message', agentName, ...describeMessage(message) })),
    { type: 'call', agentName, training: describeTraining(episode, spanId) },
  ];
}

/** Counts the messages with which both lists begin, by what they say. */
function countCommon(one: readonly ChatMessage[], other: readonly ChatMessage[]): number {
  let count = 0;
  while (count < one.length && count < other.length && saySame(one[count]!, other[count]!)) count += 1;
  return count;
}

function describeTraining({ transitions, untrainable }: Episode, spanId: string): string {
  const call = transitions.find((each) => each.spanId === spanId);
  if (call !== undefined) {
    const cut = call.finishReason === 'length' ? ', cut off by the limit of tokens' : '';
    return `${call.responseIds.length} tokens of policy "${call.policy}" can be trained on${cut}`;
  }
  const reason = untrainable.find((each) => each.spanId === spanId)?.reason;
  return `not trained on: ${reason ?? 'its agent is not selected, or no policy answered'}`;
}

function showError(span: Span, name: string): ViewEntry {
  const text = textAt(span, attributeNames.exceptionMessage) ?? span.status.message ?? 'no message';
  return { type: 'error', name, text };
}

function showTool(span: Span): ViewEntry {
  const failed = span.status.code === 'error' ? `failed: ${span.status.message ?? 'no message'}` : undefined;
  return {
    type: 'tool',
    name: textAt(span, attributeNames.toolName) ?? span.name,
    input: textAt(span, attributeNames.toolArguments) ?? '',
    output: failed ?? textAt(span, attributeNames.toolResult) ?? '',
  };
}

/** Shows what the agent wrote into the trace itself, and what a command printed. */
function showEmitted(span: Span): readonly ViewEntry[] {
  const texts = [
    ...(span.kind === 'message' && span.name !== 'console' ? [attributeNames.messageBody] : []),
    ...(span.kind === 'object' ? [attributeNames.objectJson] : []),
    attributeNames.commandStdout,
    attributeNames.commandStderr,
  ].flatMap((name) => textAt(span, name) ?? []);
  return texts.filter((text) => text !== '').map((text) => ({ type: 'emitted', name: span.name, text }));
}

function textAt(span: Span, name: string): string | undefined {
  const value = span.attributes[name];
  return value === undefined ? undefined : String(value);
}
