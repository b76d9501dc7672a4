import { isObject } from '../../request/request-fields.ts';
import { keepSource, sourceOf } from '../../http/json-source.ts';
import type { JsonObject } from '../../http/read-body.ts';

const invalidField = 'invalid_json';

/**
 * Returns a tool call's arguments as the object that this dialect wants; it is sent with the text that the model wrote. A policy may sample
 * arguments that are no JSON object: the agent then gets `{ "invalid_json": "…" }`, which its tool can reject, and which turns back
 * into the same text in the next prompt.
 */
export function inputOf(argumentsText: string): JsonObject {
  if (argumentsText.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(argumentsText);
    if (isObject(value)) {
      keepSource(value, argumentsText.trim());
      return value;
    }
  } catch {
    // Told to the agent below.
  }
  return { [invalidField]: argumentsText };
}

/** Returns the arguments that an input stands for, as they were sent. */
export function argumentsOf(input: JsonObject): string {
  const invalid = input[invalidField];
  return typeof invalid === 'string' && Object.keys(input).length === 1 ? invalid : sourceOf(input);
}
