/** Finds the tool-call format of a chat template: the one in which it writes a call itself. */
import { isDeepStrictEqual } from 'node:util';

import type { ChatMessage, JsonValue, ToolCallFormat } from '@agent-lightning/core';

import { formats } from './formats.ts';
import { isJson } from './json-source.ts';
import { findTaughtFormat, moveCallsIntoContent, type TaughtFormat } from './taught-format.ts';
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
 * Lets the template write an answer with a call, and tries which format reads that call back, exactly. Where the template leaves
 * calls out, it is the format that its prompt teaches.
 *
 * @returns undefined when none does, or when the template refuses such a chat
 */
export function detectToolCallFormat(render: RenderChat): ToolCallFormat | undefined {
  try {
    const answer = answerWithCall(render);
    const written = (Object.keys(formats) as ToolCallFormat[]).find((format) => readsCall(format, answer));
    return written ?? detectTaughtFormat(render)?.format;
  } catch {
    return undefined; // it raises at calls or tools, so it has no format for them
  }
}

/**
 * Returns the format that a template teaches while it leaves calls out of the history, so that they belong into the content.
 *
 * @returns undefined for a template that writes calls, or that teaches no format that is known here
 */
export function detectTaughtFormat(render: RenderChat): TaughtFormat | undefined {
  try {
    if (!leavesCallsOut(answerWithCall(render))) return undefined;
    const taught = findTaughtFormat(render([user], tools, true));
    if (taught === undefined) return undefined;
    const shown = moveCallsIntoContent(answerMessage({ content: '', tool_calls: [call] }), 1, taught);
    const answer = answerAfter(render, shown);
    return readsCall(taught.format, answer) ? taught : undefined;
  } catch {
    return undefined; // it raises at calls or tools
  }
}

/**
 * Says why no format was detected, for an error message.
 *
 * @returns a clause without a full stop, such as `it writes a call as "…", a format that is not known here`
 */
export function explainUnknownFormat(render: RenderChat): string {
  let answer: Answer;
  try {
    answer = answerWithCall(render);
    if (render([user], tools, true) === render([user], [], true)) return 'it leaves them out of the prompt';
  } catch (error) {
    return `it does not render a chat with a tool call: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (leavesCallsOut(answer))
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

function leavesCallsOut({ text }: Answer): boolean {
  return !text.includes('probe') && !text.includes('value');
}

function answerMessage(fields: Omit<ChatMessage, 'role'>): ChatMessage {
  return { role: 'assistant', ...fields };
}

/** Returns the text that the template writes for the call, between the generation prompt and the end of a turn. */
function answerWithCall(render: RenderChat): Answer {
  return answerAfter(render, answerMessage({ content: '', tool_calls: [call] }));
}

function answerAfter(render: RenderChat, message: ChatMessage): Answer {
  const plain = render([user, answerMessage({ content: 'Answer.' })], tools, false);
  const endOfTurn = plain.slice(plain.lastIndexOf('Answer.') + 'Answer.'.length);
  const whole = render([user, message], tools, false);
  const generation = render([user], tools, true);
  // A template may write a thought's first line break in the prompt only, and its own history without the generation prompt.
  const prompts = [generation, generation.trimEnd(), render([user], tools, false)];
  const prompt = prompts.find((text) => whole.startsWith(text)) ?? '';
  const end = whole.endsWith(endOfTurn) ? whole.length - endOfTurn.length : undefined;
  return { prompt, text: whole.slice(prompt.length, end) };
}
