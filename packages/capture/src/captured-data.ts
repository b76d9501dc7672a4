import {
  check,
  type AgentMatch,
  type ChatMessage,
  toEpisode,
  toMessages,
  type JsonValue,
  type Span,
  type Episode,
} from '@agent-lightning/core';
import type { ExportedRollout } from '@agent-lightning/store';

/** One example for supervised fine-tuning, in the shape of OpenAI's files: JSON of `messages` and `tools` is a line of one. */
export interface SftRow {
  readonly rolloutId: string;
  /** The most specific name of the agent that answered; empty when it has none. */
  readonly agentName: string;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly JsonValue[] | null;
  /** The positions of the messages that the agent said here; other assistant messages, such as examples in its prompt, are none of them. */
  readonly replies: readonly number[];
  /** The rollout's own reward. */
  readonly reward: number | undefined;
}

export interface ToSftRowsOptions {
  /** Selects the agents whose conversations count. @default all */
  readonly agentMatch?: AgentMatch;
  /** Rollouts with a lower primary reward, or none, are left out. @default every rollout that succeeded */
  readonly minReward?: number;
  /**
   * Says what becomes of rollouts with a reply that the token limit cut off: `leave-out`, or `keep`, which teaches to stop anywhere.
   * @default 'leave-out'
   */
  readonly truncated?: 'leave-out' | 'keep';
}

export interface SftRows {
  readonly rows: readonly SftRow[];
  /** Rollouts that gave no conversation, by reason. */
  readonly leftOut: Readonly<Record<'failed' | 'reward' | 'truncated' | 'noConversation', number>>;
  /** Model calls whose messages were not recorded or are not JSON. */
  readonly problems: readonly NonNullable<Episode['problems']>[number][];
}

/**
 * Returns the conversations of captured rollouts that succeeded, each once: a call whose messages a later one of the same agent
 * carries on is part of that one. Messages are recorded where model calls went through a gateway.
 */
export function toSftRows(captured: Iterable<ExportedRollout>, options: ToSftRowsOptions = {}): SftRows {
  checkCaptured('toSftRows', captured);
  check.knownOptions('toSftRows', options, { agentMatch: true, minReward: true, truncated: true });
  const truncated = check.oneOf('toSftRows: truncated', options.truncated ?? 'leave-out', ['leave-out', 'keep']);
  const selection = options.agentMatch === undefined ? {} : { agentMatch: options.agentMatch };
  const rows: SftRow[] = [];
  const problems: NonNullable<Episode['problems']>[number][] = [];
  const leftOut = { failed: 0, reward: 0, truncated: 0, noConversation: 0 };
  for (const each of captured) {
    const { rollout } = each;
    const spans = latestSpans(each);
    const { reward } = toEpisode(rollout, spans);
    if (rollout.status !== 'succeeded') leftOut.failed++;
    else if (options.minReward !== undefined && !(reward !== undefined && reward >= options.minReward))
      leftOut.reward++;
    else {
      const found = toMessages(spans, selection);
      for (const problem of found.problems) problems.push(problem);
      if (truncated === 'leave-out' && found.conversations.some(({ isTruncated }) => isTruncated)) {
        leftOut.truncated++;
        continue;
      }
      const whole = withoutBeginnings(found.conversations);
      if (whole.length === 0) leftOut.noConversation++;
      for (const { conversation, replies } of whole) {
        const { agentNames, messages, tools } = conversation;
        rows.push({ rolloutId: rollout.rolloutId, agentName: agentNames[0] ?? '', messages, tools, replies, reward });
      }
    }
  }
  return { rows, leftOut, problems };
}

/** One thing that live traffic asked for. */
export interface CapturedTask<Task = JsonValue> {
  readonly task: Task;
  /** The rollouts that asked for it, at least one. */
  readonly rolloutIds: readonly string[];
}

/** @throws {ConfigurationError} `option-invalid` for what is no list of rollouts, such as the promise or the stream of one */
function checkCaptured(owner: string, captured: Iterable<unknown>): void {
  if (typeof captured === 'object' && captured !== null && Symbol.iterator in captured) return;
  throw check.optionInvalid(`${owner}: captured`, captured, 'a list of rollouts, such as those of exportRun');
}

/** Returns the inputs of captured rollouts, each once, in order of its first rollout: tasks for training or validation. */
export function toTasks<Task = JsonValue>(
  captured: Iterable<Pick<ExportedRollout, 'rollout'>>,
): readonly CapturedTask<Task>[] {
  checkCaptured('toTasks', captured);
  const rollouts = Array.from(captured, ({ rollout }) => rollout);
  const byInput = Map.groupBy(rollouts, ({ input }) => canonicalJson(input));
  return [...byInput.values()].map((same) => ({
    task: same[0]!.input as Task,
    rolloutIds: same.map(({ rolloutId }) => rolloutId),
  }));
}

function latestSpans({ attempts, spans }: ExportedRollout): readonly Span[] {
  const latest = attempts.at(-1)?.attemptId;
  return spans.filter(({ attemptId }) => attemptId === latest);
}

type Conversations = ReturnType<typeof toMessages>['conversations'];

/** A conversation that no other carries on, and the positions of what the agent said in it. */
interface WholeConversation {
  readonly conversation: Conversations[number];
  readonly replies: readonly number[];
}

/** Leaves out the conversations that another one of the same agent begins with. */
function withoutBeginnings(conversations: Conversations): readonly WholeConversation[] {
  const keys = conversations.map(({ agentNames, messages }) => ({
    agent: agentNames[0],
    messages: messages.map((message) => canonicalJson(toSaid(message))),
  }));
  type Key = (typeof keys)[number];
  const begins = (one: Key, other: Key): boolean =>
    other.agent === one.agent && one.messages.every((message, turn) => message === other.messages[turn]);
  return conversations.flatMap((conversation, index) => {
    const own = keys[index]!;
    const isCarriedOn = keys.some(
      (other, position) =>
        position !== index &&
        (other.messages.length > own.messages.length ||
          (other.messages.length === own.messages.length && position < index)) &&
        begins(own, other),
    );
    if (isCarriedOn) return [];
    const replies = new Set(keys.filter((other) => begins(other, own)).map(({ messages }) => messages.length - 1));
    return [{ conversation, replies: [...replies].sort((one, other) => one - other) }];
  });
}

/**
 * Returns what a message says, without what a client changes when it sends an answer back: LangChain writes `""` for `null` and adds a name,
 * others leave empty fields and reasoning out, write the arguments of a tool call anew, or give it another id.
 */
function toSaid({
  role,
  name,
  content,
  tool_calls: toolCalls,
}: ChatMessage & Readonly<Record<string, unknown>>): unknown {
  const calls = Array.isArray(toolCalls) ? (toolCalls as readonly ToolCall[]) : [];
  return {
    role,
    ...(role !== 'assistant' && name !== undefined && { name }),
    content: toText(content),
    calls: calls.map((call) => [call?.function?.name, parseJson(call?.function?.arguments)]),
  };
}

interface ToolCall {
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
}

/** Returns content as text where it is no more than that. */
function toText(content: unknown): unknown {
  if (content === null || content === undefined) return '';
  if (!Array.isArray(content)) return content;
  const parts = content as readonly { readonly type?: unknown; readonly text?: unknown }[];
  return parts.every((part) => typeof part?.text === 'string') ? parts.map(({ text }) => text).join('') : content;
}

function parseJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value; // not JSON: the text says what the model called with
  }
}

/** Writes JSON that does not depend on the order of keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
