/**
 * Finds the format that a template teaches its model while it leaves calls out of the history, as those of SmolLM3 and the first
 * LFM2 do: there, an earlier call belongs into the content of its message, as the model wrote it.
 */
import { BackendError, type ChatMessage, type JsonValue, type ToolCallFormat } from '@agent-lightning/core';

import { readJsonObject } from './json-source.ts';
import type { ToolCall } from './tool-call.ts';

/** A format that such templates teach. */
export interface TaughtFormat {
  readonly format: ToolCallFormat;
  /** Matches the prompt of a template that teaches it. */
  readonly sign: RegExp;
  /** Separates a message's text from its calls. */
  readonly separator: string;
  readonly write: (calls: readonly ToolCall[]) => string;
}

const taughtFormats: readonly TaughtFormat[] = [
  {
    format: 'hermes',
    sign: /<tool_call>\s*\{\s*"name"/,
    separator: '\n',
    write: (calls) =>
      calls
        .map(
          (call) => `<tool_call>\n{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments}}\n</tool_call>`,
        )
        .join('\n'),
  },
  {
    format: 'lfm2',
    sign: /<\|tool_list_start\|>/,
    separator: '',
    write: (calls) => `<|tool_call_start|>[${calls.map(writePythonCall).join(', ')}]<|tool_call_end|>`,
  },
];

/** Returns the format that a prompt with tools teaches; undefined when it teaches none that is known here. */
export function findTaughtFormat(prompt: string): TaughtFormat | undefined {
  return taughtFormats.find(({ sign }) => sign.test(prompt));
}

/**
 * Returns a message whose calls stand in its content.
 *
 * @param index of the message, for errors
 * @throws {BackendError} `samples-invalid` for arguments that are no JSON object
 */
export function moveCallsIntoContent(message: ChatMessage, index: number, taught: TaughtFormat): ChatMessage {
  const { tool_calls: given, content, ...rest } = message as ChatMessage & { readonly tool_calls?: JsonValue };
  if (!Array.isArray(given) || given.length === 0) return message;
  const written = taught.write(
    (given as readonly JsonValue[]).map((call, at) => readGivenCall(call, `messages[${index}].tool_calls[${at}]`)),
  );
  if (Array.isArray(content))
    return { ...rest, content: [...(content as JsonValue[]), { type: 'text', text: written }] };
  const text = typeof content === 'string' ? content : '';
  return { ...rest, content: text === '' ? written : `${text}${taught.separator}${written}` };
}

function readGivenCall(call: JsonValue, path: string): ToolCall {
  const called = (call as { readonly function?: { readonly name?: JsonValue; readonly arguments?: JsonValue } } | null)
    ?.function;
  const given = called?.arguments ?? {};
  const source = typeof given === 'string' ? given.trim() || '{}' : JSON.stringify(given);
  if (typeof called?.name !== 'string' || readJsonObject(source) === undefined) {
    throw new BackendError(
      `${path}.function is ${JSON.stringify(called ?? null)}; expected a name, and arguments that are the text of a JSON object.`,
      { code: 'samples-invalid' },
    );
  }
  return { name: called.name, arguments: source };
}

/** Writes `name(key=value, …)`; values of JSON are values of LFM2's notation too. */
function writePythonCall({ name, arguments: source }: ToolCall): string {
  return `${name}(${Array.from(readJsonObject(source) ?? [], ([key, value]) => `${key}=${value}`).join(', ')})`;
}
