/** Finds the tool-call format of a chat template: the one in which it writes a call itself. */
import { isDeepStrictEqual } from 'node:util';

import type { ChatMessage, JsonValue, ToolCallFormat } from '@agent-lightning/core';

import { formats } from './formats.ts';
import { isJson } from './json-source.ts';
import { createToolCallReader, endsInThought } from './tool-call-reader.ts';

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
  let answer: Answer;
  try {
    answer = answerWithCall(render);
  } catch {
    return undefined; // it raises at calls or tools, so it has no format for them
  }
  return (Object.keys(formats) as ToolCallFormat[]).find((format) => readsCall(format, answer));
}

/**
 * Says why no format was detected, for an error message.
 *
 * @returns a sentence without a full stop, such as `it writes a call as "…", which is no format that is known here`
 */
export function explainUnknownFormat(render: RenderChat): string {
  let answer: Answer;
  try {
    answer = answerWithCall(render);
  } catch (error) {
    return `it does not render a chat with a tool call: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (!answer.text.includes('probe') && !answer.text.includes('value'))
    return 'it leaves the tool calls of earlier turns out of the prompt, so the model would not see what it called';
  return `it writes a call as ${JSON.stringify(answer.text.trim().slice(0, 200))}, a format that is not known here, so calls could not be read`;
}

/** Text that a template writes as an answer, after a prompt. */
interface Answer {
  readonly prompt: string;
  readonly text: string;
}

function readsCall(format: ToolCallFormat, { prompt, text }: Answer): boolean {
  const reader = createToolCallReader(format, { tools, isThinking: endsInThought(format, prompt) });
  const calls = [reader.push(text), reader.end()].flatMap((read) => read.calls);
  return (
    calls.length === 1 && calls[0]?.name === 'probe' && isDeepStrictEqual(parse(calls[0].arguments), { key: 'value' })
  );
}

function parse(text: string): unknown {
  return isJson(text) ? JSON.parse(text) : undefined;
}

/** Returns the text that the template writes for the call, between the generation prompt and the end of a turn. */
function answerWithCall(render: RenderChat): Answer {
  const assistant = (fields: Omit<ChatMessage, 'role'>): ChatMessage => ({ role: 'assistant', ...fields });
  const plain = render([user, assistant({ content: 'Answer.' })], tools, false);
  const endOfTurn = plain.slice(plain.lastIndexOf('Answer.') + 'Answer.'.length);
  const withCall = render([user, assistant({ content: '', tool_calls: [call] })], tools, false);
  const generation = render([user], tools, true);
  // A template may write a thought's first line break in the prompt only, and its own history without the generation prompt.
  const prompts = [generation, generation.trimEnd(), render([user], tools, false)];
  const prompt = prompts.find((text) => withCall.startsWith(text)) ?? '';
  const end = withCall.endsWith(endOfTurn) ? withCall.length - endOfTurn.length : undefined;
  return { prompt, text: withCall.slice(prompt.length, end) };
}
