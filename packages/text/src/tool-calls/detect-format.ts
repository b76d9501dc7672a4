/** Finds the tool-call format of a chat template: the one in which it writes a call itself. */
import type { ChatMessage, JsonValue, ToolCallFormat } from '@agent-lightning/core';

import { createToolCallReader } from './tool-call-reader.ts';

const formats: readonly ToolCallFormat[] = ['hermes', 'llama-json', 'function-tag'];

/** Renders a chat with tools. */
export type RenderChat = (
  messages: readonly ChatMessage[],
  tools: readonly JsonValue[],
  addGenerationPrompt: boolean,
) => string;

const user: ChatMessage = { role: 'user', content: 'Question?' };
const tools: readonly JsonValue[] = [
  {
    type: 'function',
    function: {
      name: 'probe',
      description: 'A probe.',
      parameters: { type: 'object', properties: { key: { type: 'string' } }, required: ['key'] },
    },
  },
];
const call = { id: 'probe0001', type: 'function', function: { name: 'probe', arguments: '{"key":"value"}' } };

/**
 * Lets the template write an answer with a call, and tries which format reads that call back, exactly.
 *
 * @returns undefined when none does, or when the template refuses such a chat
 */
export function detectToolCallFormat(render: RenderChat): ToolCallFormat | undefined {
  let answer: string;
  try {
    answer = answerWithCall(render);
  } catch {
    return undefined; // it raises at calls or tools, so it has no format for them
  }
  return formats.find((format) => {
    const reader = createToolCallReader(format);
    const calls = [reader.push(answer), reader.end()].flatMap((read) => read.calls);
    return calls.length === 1 && calls[0]?.name === 'probe' && calls[0].arguments === call.function.arguments;
  });
}

/** Returns the text that the template writes for the call, between the generation prompt and the end of a turn. */
function answerWithCall(render: RenderChat): string {
  const assistant = (fields: Omit<ChatMessage, 'role'>): ChatMessage => ({ role: 'assistant', ...fields });
  const plain = render([user, assistant({ content: 'Answer.' })], tools, false);
  const endOfTurn = plain.slice(plain.lastIndexOf('Answer.') + 'Answer.'.length);
  const withCall = render([user, assistant({ content: '', tool_calls: [call] })], tools, false);
  const prompts = [render([user], tools, true), render([user], tools, false)];
  const prompt = prompts.find((text) => withCall.startsWith(text)) ?? '';
  return withCall.slice(prompt.length, withCall.endsWith(endOfTurn) ? withCall.length - endOfTurn.length : undefined);
}
