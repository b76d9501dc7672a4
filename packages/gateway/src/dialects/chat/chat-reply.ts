import { isObject } from '../../request/request-fields.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { ReplyError } from '../../http/reply-error.ts';
import { readToolCalls, type ToolCallDelta } from '../../reply/tool-call-order.ts';

/** The content of a chat reply, or of one chunk of it. */
export interface ChatSaid {
  readonly reasoning: string;
  readonly text: string;
  readonly refusal: string;
  readonly calls: readonly ToolCallDelta[];
  readonly logprobs: readonly JsonObject[];
  readonly finishReason: string | undefined;
  /** The stop text that ended the choice, where the upstream tells it. */
  readonly stopText: string | undefined;
}

export interface ChatUsage {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Reads the first choice of a payload; returns undefined for a chunk without one. */
export function readSaid(payload: JsonObject): ChatSaid | undefined {
  const choices = payload['choices'];
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isObject(choice)) return undefined;
  const said = isObject(choice['message']) ? choice['message'] : isObject(choice['delta']) ? choice['delta'] : {};
  const logprobs = isObject(choice['logprobs']) ? choice['logprobs']['content'] : undefined;
  return {
    reasoning: textOf(said['reasoning']) || textOf(said['reasoning_content']),
    text: textOf(said['content']),
    refusal: textOf(said['refusal']),
    calls: readToolCalls(said['tool_calls']),
    logprobs: Array.isArray(logprobs) ? logprobs.filter(isObject) : [],
    finishReason: typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : undefined,
    stopText: typeof choice['stop_reason'] === 'string' ? choice['stop_reason'] : undefined,
  };
}

function countOf(object: unknown, field: string): number {
  const value = isObject(object) ? object[field] : undefined;
  return typeof value === 'number' ? value : 0;
}

export function readUsage(payload: JsonObject): ChatUsage | undefined {
  const usage = payload['usage'];
  if (!isObject(usage)) return undefined;
  return {
    input: countOf(usage, 'prompt_tokens'),
    output: countOf(usage, 'completion_tokens'),
    cached: countOf(usage['prompt_tokens_details'], 'cached_tokens'),
    reasoning: countOf(usage['completion_tokens_details'], 'reasoning_tokens'),
  };
}

/** Returns the error for a reply that has no form in the agent's dialect. */
export function untellable(what: string): ReplyError {
  return new ReplyError(`the upstream's reply cannot be told in this dialect: ${what}`, { code: 'upstream-malformed' });
}

/** Checks that a delta begins a tool call, where it does not go on with the open one. @throws {ReplyError} for a stream in another order, or a call without a name */
export function checkOrder({ name }: ToolCallDelta, number: number, isNew: boolean): void {
  if (!isNew) throw untellable(`it went back to tool call ${number} after another had begun`);
  if (name === '') throw untellable(`its tool call ${number} began without a name`);
}
