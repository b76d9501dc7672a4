import {
  attributeNames,
  LightningError,
  matchesAgent,
  toMessages,
  type AgentMatch,
  type Episode,
  type RoutedPolicy,
  type Span,
  type TrainingBackend,
  type Transition,
} from '@agent-lightning/core';

type Conversation = ReturnType<typeof toMessages>['conversations'][number];
type Encode = NonNullable<TrainingBackend['encodeAnswer']>;

/** The things by which calls become tokens of the model to train. */
export interface EncodeOptions {
  readonly encode: Encode;
  readonly policies: readonly RoutedPolicy[];
  /** Selects the agents whose calls count. @default those that a policy answered, or all where none answered */
  readonly agentMatch?: AgentMatch | undefined;
}

/** An episode whose calls are tokens of the model to train. */
export interface EncodedEpisode {
  readonly episode: Episode;
  /** Calls whose own tokens are those of the model to train. */
  readonly exact: number;
  /** Calls whose text was encoded anew. */
  readonly rendered: number;
}

/**
 * Encodes the model calls of a rollout for the model to train, whoever answered them. The tokens that a gateway captured are taken as they
 * are where their prompt is what the model's own tokenizer and template make of the messages; else the text is encoded. A call that cannot
 * be encoded is among the untrainable ones, with the reason.
 * @param spans of the rollout's newest attempt
 */
export async function encodeEpisode(
  episode: Episode,
  spans: readonly Span[],
  { encode, policies, agentMatch }: EncodeOptions,
): Promise<EncodedEpisode> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const { conversations, problems } = toMessages(spans, agentMatch === undefined ? {} : { agentMatch });
  const transitions: Transition[] = [];
  const untrainable = problems.map(({ spanId, reason }) => ({ spanId, agentName: '', reason }));
  let exact = 0;
  for (const conversation of agentMatch === undefined ? ofPolicies(conversations, byId) : conversations) {
    const { rolloutId, attemptId, spanId, sequenceId, agentNames } = conversation;
    const agentName = agentNames[0] ?? '';
    const policy = policies.find((each) => matchesAgent(agentNames, each.agentMatch));
    if (policy === undefined) continue; // no policy is to learn what this agent says
    const call = await encodeCall(conversation, encode);
    if (typeof call === 'string') {
      untrainable.push({ spanId, agentName, reason: call });
      continue;
    }
    const span = byId.get(spanId);
    const own = span?.tokens !== undefined && isEqual(span.tokens.prompt, call.promptIds) ? span.tokens : undefined;
    if (own !== undefined) exact += 1;
    const responseIds = own?.response ?? call.responseIds;
    transitions.push({
      rolloutId,
      attemptId,
      spanId,
      sequenceId,
      callIndex: transitions.length,
      agentName,
      policy: policy.name,
      policyVersion: 0,
      promptIds: call.promptIds,
      responseIds,
      logprobs: new Float32Array(responseIds.length),
      finishReason: readFinishReason(span),
      reward: undefined,
      signals: [],
    });
  }
  const { discarded: _, ...rest } = episode;
  return { episode: { ...rest, transitions, untrainable }, exact, rendered: transitions.length - exact };
}

/** Returns the calls that a policy answered, or a teacher in its place; where none did, as in live traffic, all of them. */
function ofPolicies(all: readonly Conversation[], byId: ReadonlyMap<string, Span>): readonly Conversation[] {
  const own = all.filter(({ spanId }) => byId.get(spanId)?.attributes[attributeNames.policy] !== undefined);
  return own.length > 0 ? own : all;
}

/** Encodes a call, or says why it cannot be. What is wrong with the backend itself is thrown. */
async function encodeCall(
  { messages, tools }: Conversation,
  encode: Encode,
): Promise<Awaited<ReturnType<Encode>> | string> {
  try {
    return await encode({
      messages: messages.slice(0, -1),
      answer: messages.at(-1)!,
      ...(tools === null ? {} : { tools }),
    });
  } catch (error) {
    if (LightningError.isInstance(error) && ['samples-invalid', 'option-unsupported'].includes(error.code))
      return error.message;
    throw error;
  }
}

function readFinishReason(span: Span | undefined): string {
  const reasons = span?.attributes[attributeNames.finishReasons];
  return Array.isArray(reasons) ? String(reasons[0] ?? 'stop') : 'stop';
}

function isEqual(one: Int32Array, other: Int32Array): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index]);
}
