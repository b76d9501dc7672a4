import { attributeNames, toMessages, type Attributes, type ChatMessage, type Span } from '@agent-lightning/core';

/** The longest text of one event, in characters; what is longer is cut, with a visible mark. */
const longestEvent = 1_500;

/** Returns what an agent did in one rollout, an event on each line: model calls, tools, messages, exceptions. Rewards are left out, and so is what a judge scored. */
export function describeTrace(spans: readonly Span[]): string {
  const calls = toMessages(spans).conversations.map(({ sequenceId, agentNames, messages }) => ({
    sequenceId,
    text: describeCall(agentNames[0] ?? 'the agent', messages),
  }));
  const others = spans.flatMap((span) => {
    const text = describeSpan(span);
    return text === undefined ? [] : [{ sequenceId: span.sequenceId, text }];
  });
  return [...calls, ...others]
    .sort((one, other) => one.sequenceId - other.sequenceId)
    .map(({ text }) => `- ${text}`)
    .join('\n');
}

/** Cuts a text, and says so. */
export function shorten(text: string, longest: number = longestEvent): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters in all)`;
}

function describeCall(agent: string, messages: readonly ChatMessage[]): string {
  const asked = messages.slice(0, -1).findLast(({ role }) => role !== 'system' && role !== 'developer');
  const answer = messages.at(-1)!;
  const question = asked === undefined ? '' : ` was asked (${asked.role}): ${shorten(showContent(asked))}\n  and`;
  return `${agent}${question} answered: ${shorten(showContent(answer))}`;
}

function showContent(message: ChatMessage): string {
  const { role: _, content, ...rest } = message as unknown as Readonly<Record<string, unknown>>;
  const calls = rest['tool_calls'];
  const text = typeof content === 'string' ? content : JSON.stringify(content ?? '');
  return calls === undefined ? text : `${text} ${JSON.stringify(calls)}`.trim();
}

function describeSpan({ kind, name, attributes, status }: Span): string | undefined {
  const read = (attribute: string): string => shorten(String(attributes[attribute] ?? ''));
  const failure = status.code === 'error' ? ` failed: ${shorten(status.message ?? 'no message')}` : '';
  if (kind === 'tool_call')
    return `tool ${read(attributeNames.toolName) || name}(${read(attributeNames.toolArguments)})${failure || ` returned ${read(attributeNames.toolResult)}`}`;
  if (kind === 'message') return `message: ${read(attributeNames.messageBody)}`;
  if (kind === 'exception') return `exception: ${describeException(attributes)}`;
  if (kind === 'object' && attributes[attributeNames.promptName] === undefined)
    return `object: ${read(attributeNames.objectJson)}`;
  if (kind === 'operation' && attributes[attributeNames.isJudge] !== true)
    return `${name}(${read(attributeNames.operationInput)})${failure || ` returned ${read(attributeNames.operationOutput)}`}`;
  return undefined;
}

function describeException(attributes: Attributes): string {
  const read = (attribute: string): string => String(attributes[attribute] ?? '');
  return shorten(`${read(attributeNames.exceptionType)}: ${read(attributeNames.exceptionMessage)}`);
}
