import type { JsonValue } from '@agent-lightning/core';
import { textAt, unflatten } from './flat-attributes.ts';
import type { AnyAttributes } from './trace-export.ts';

type JsonObject = { readonly [key: string]: JsonValue };

/** The names under which instrumentations write a call's messages as flat attributes, oldest convention last. */
const flatInputs: readonly string[] = [
  'gen_ai.prompt',
  'agentlightning.operation.input.messages',
  'llm.input_messages',
];
const flatOutputs: readonly string[] = [
  'gen_ai.completion',
  'agentlightning.operation.output.choices',
  'llm.output_messages',
];

/** Returns a call's messages in the shape of OpenAI Chat, whichever convention the sender follows; undefined where it recorded none. */
export function readInputMessages(attributes: AnyAttributes): readonly JsonValue[] | undefined {
  const current = readList(attributes['gen_ai.input.messages']);
  const system = readList(attributes['gen_ai.system_instructions']);
  const messages = current ?? firstFlat(attributes, flatInputs);
  if (messages === undefined) return undefined;
  const before = system === undefined ? [] : [{ role: 'system', content: textOfParts(system) }];
  return [...before, ...messages.flatMap(toChatMessages)];
}

/** Holds what a call answered. */
export interface CallOutput {
  /** The assistant's messages; undefined where the sender recorded none. */
  readonly messages: readonly JsonValue[] | undefined;
  /** The reasons why the choices ended; undefined where the sender gave none. */
  readonly finishReasons: readonly string[] | undefined;
}

/** Reads what a call answered. */
export function readOutput(attributes: AnyAttributes): CallOutput {
  const choices = readList(attributes['gen_ai.output.messages']) ?? firstFlat(attributes, flatOutputs);
  const given = attributes['gen_ai.response.finish_reasons'];
  const listed = Array.isArray(given) ? (given as readonly unknown[]) : readList(given);
  const reasons = (listed ?? (choices ?? []).map((choice) => memberOf(choice, 'finish_reason'))).filter(
    (reason): reason is string => typeof reason === 'string' && reason !== '',
  );
  return {
    messages: choices?.flatMap(toChatMessages).map((message) => withoutFinish(message)),
    finishReasons: reasons.length === 0 ? undefined : reasons,
  };
}

function firstFlat(attributes: AnyAttributes, prefixes: readonly string[]): readonly JsonValue[] | undefined {
  for (const prefix of prefixes) {
    const found = unflatten(attributes, prefix);
    if (Array.isArray(found) && found.length > 0) return found as readonly JsonValue[];
  }
  return undefined;
}

/** Reads a list from JSON text. */
function readList(value: unknown): readonly JsonValue[] | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const read = JSON.parse(value) as JsonValue;
    return Array.isArray(read) ? (read as readonly JsonValue[]) : undefined;
  } catch {
    return undefined; // The text stays in its attribute as it came.
  }
}

/** Returns a message as OpenAI Chat has it: of parts, of a choice that holds a message, or of a message below the name `message`. */
function toChatMessages(given: JsonValue): readonly JsonObject[] {
  if (!isObject(given)) return [];
  const inner = given['message'];
  const message: JsonObject = isObject(inner) ? inner : given;
  const { parts } = message;
  if (Array.isArray(parts)) return fromParts(message, parts as readonly JsonValue[]);
  const calls = message['tool_calls'];
  return [Array.isArray(calls) ? { ...message, tool_calls: calls.map(toToolCall) } : message];
}

/** Returns the messages that the parts of the current GenAI convention stand for. */
function fromParts(message: JsonObject, parts: readonly JsonValue[]): readonly JsonObject[] {
  const { parts: _parts, finish_reason: _finish, ...rest } = message;
  const responses = parts.filter((part) => memberOf(part, 'type') === 'tool_call_response');
  const calls = parts.filter((part) => memberOf(part, 'type') === 'tool_call');
  const others = parts.filter((part) => !responses.includes(part) && !calls.includes(part));
  const results = responses.map((part): JsonObject => {
    const result = memberOf(part, 'response') ?? memberOf(part, 'result') ?? null;
    return {
      role: 'tool',
      tool_call_id: memberOf(part, 'id') ?? null,
      content: typeof result === 'string' ? result : JSON.stringify(result),
    };
  });
  if (others.length === 0 && calls.length === 0 && results.length > 0) return results;
  const said: JsonObject = {
    ...rest,
    content: others.length === 0 && calls.length > 0 ? null : textOfParts(others),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(toToolCall) }),
  };
  return [said, ...results];
}

/** Returns the text of parts; parts of other kinds keep their shape, in a list as OpenAI has it. */
function textOfParts(parts: readonly JsonValue[]): JsonValue {
  const texts = parts.map((part) => (memberOf(part, 'type') === 'text' ? memberOf(part, 'content') : undefined));
  return texts.every((text) => typeof text === 'string') ? texts.join('\n') : [...parts];
}

/** Returns a tool call as OpenAI Chat has it, also of one that was flattened to id, name and arguments. */
function toToolCall(call: JsonValue): JsonValue {
  if (!isObject(call) || isObject(call['function'] ?? null)) return call;
  const inner = isObject(call['tool_call'] ?? null) ? (call['tool_call'] as JsonObject) : call;
  const written = inner['arguments'] ?? {};
  return {
    id: inner['id'] ?? null,
    type: 'function',
    function: {
      name: inner['name'] ?? null,
      arguments: typeof written === 'string' ? written : JSON.stringify(written),
    },
  };
}

function withoutFinish(message: JsonObject): JsonValue {
  const { finish_reason: _finish, ...rest } = message;
  return rest;
}

function memberOf(value: JsonValue, name: string): JsonValue | undefined {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The names under which instrumentations write the model that was asked for, and the one that answered. */
export function readModels(attributes: AnyAttributes): {
  readonly asked: string | undefined;
  readonly answered: string | undefined;
} {
  return {
    asked: textAt(attributes, 'gen_ai.request.model', 'agentlightning.operation.input.model', 'llm.model_name'),
    answered: textAt(attributes, 'gen_ai.response.model', 'agentlightning.operation.output.model'),
  };
}
