/**
 * Prepares messages for a chat template, as vLLM and transformers do: content in the shape that the template reads, a past call's
 * arguments as an object, and the fields of reasoning under each of their names.
 */
import { BackendError, type ChatMessage, type JsonValue } from '@agent-lightning/core';

import { readJson } from './jinja/read-json.ts';
import { toMapping, toValue } from './jinja/to-value.ts';
import type { Mapping, Value } from './jinja/values.ts';

/** The shapes of content that a template reads. */
export interface ContentShapes {
  /** False where a text would be dropped, so that it is given as a list of one part. */
  readonly takesText: boolean;
  /** True where lists of parts are joined by the template itself; elsewhere they are joined by a newline. */
  readonly takesParts: boolean;
}

type Fields = Readonly<Record<string, JsonValue | undefined>>;

/** The names under which templates read what a model thought; the first that a message has counts. */
const reasoningNames = ['reasoning_content', 'thinking', 'reasoning'];

/**
 * Returns a message as a template gets it. Fields that are null are left out, as transformers does.
 *
 * @throws {BackendError} `samples-invalid` naming content that is no text, a call of no function, or arguments that are no object
 */
export function toTemplateMessage(message: ChatMessage, index: number, shapes: ContentShapes): Mapping {
  const { content, tool_calls: calls, ...rest } = message;
  const fields = Object.fromEntries(Object.entries(rest).filter(([, field]) => field !== null));
  const mapping = toMapping({ role: message.role, content: null, ...fields });
  mapping.set('content', toContent(content, `messages[${index}].content`, message.role, shapes));
  // An empty list of calls is no call, whatever the template would make of it.
  if (Array.isArray(calls) && calls.length > 0)
    mapping.set(
      'tool_calls',
      (calls as readonly JsonValue[]).map((call, at) => toCall(call, `messages[${index}].tool_calls[${at}]`)),
    );
  nameReasoning(mapping);
  return mapping;
}

function nameReasoning(mapping: Mapping): void {
  const name = reasoningNames.find((candidate) => mapping.has(candidate));
  const reasoning = name === undefined ? undefined : mapping.get(name);
  if (reasoning === undefined) return;
  if (!mapping.has('thinking')) mapping.set('thinking', reasoning);
  mapping.set('reasoning_content', reasoning);
}

function toContent(content: JsonValue | undefined, path: string, role: string, shapes: ContentShapes): Value {
  const parts = readTextParts(content, path);
  // A tool's result is a text in templates, whatever they do with other messages.
  const isList = Array.isArray(content) && shapes.takesParts && role !== 'tool';
  if (isList || !shapes.takesText) return parts.map((text) => toMapping({ type: 'text', text }));
  return parts.join('\n');
}

/** Returns the texts of a content. @throws {BackendError} `samples-invalid` for a part that is no text */
function readTextParts(content: JsonValue | undefined, path: string): readonly string[] {
  if (content === undefined || content === null) return [''];
  const parts: readonly JsonValue[] = Array.isArray(content) ? content : [content];
  return parts.map((part) => readTextPart(part, path));
}

function readTextPart(part: JsonValue, path: string): string {
  if (typeof part === 'string') return part;
  const { type, text } = fieldsOf(part) ?? {};
  if (type === 'text' && typeof text === 'string') return text;
  throw new BackendError(
    `${path} has a part of type ${JSON.stringify(type ?? null)}; this engine reads text only. Send text parts.`,
    { code: 'samples-invalid' },
  );
}

function fieldsOf(value: JsonValue | undefined): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function toCall(call: JsonValue, path: string): Value {
  const { function: called, ...rest } = fieldsOf(call) ?? {};
  const fields = fieldsOf(called);
  if (fields === undefined || typeof fields['name'] !== 'string')
    throw new BackendError(
      `${path} is ${JSON.stringify(call).slice(0, 100)}; a chat template shows calls of functions only. Send {"type": "function", "function": {"name": …, "arguments": …}}.`,
      { code: 'samples-invalid' },
    );
  const mapping = toMapping(rest);
  const inner = toMapping(fields);
  inner.set('arguments', toArguments(fields['arguments'], `${path}.function.arguments`));
  mapping.set('function', inner);
  return mapping;
}

/** Reads the arguments of a past call: nothing stands for no arguments, as in vLLM; numbers and order stay as the model wrote them. */
function toArguments(given: JsonValue | undefined, path: string): Mapping {
  if (given === undefined || given === null || (typeof given === 'string' && given.trim() === '')) return new Map();
  let value: Value;
  try {
    value = typeof given === 'string' ? readJson(given) : toValue(given);
  } catch (cause) {
    throw argumentsError(given, path, `it is no JSON: ${(cause as Error).message}`, cause);
  }
  if (!(value instanceof Map)) throw argumentsError(given, path, 'it is JSON, and no object');
  return value;
}

function argumentsError(given: JsonValue, path: string, problem: string, cause?: unknown): BackendError {
  const shown = (typeof given === 'string' ? given : JSON.stringify(given)).slice(0, 100);
  return new BackendError(
    `${path} is ${JSON.stringify(shown)}, which a chat template cannot show: ${problem}. Send the text of a JSON object, or leave the call out of the conversation.`,
    { code: 'samples-invalid', cause },
  );
}
