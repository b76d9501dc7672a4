import type { ChatMessage } from '@agent-lightning/core';
import type { RuledRequest } from '../capture/sampling-rules.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ModelRequest } from '../request/model-request.ts';

const untrainable = {
  kind: 'passthrough',
  reason: "passthrough: the agent's own model answered, which does not train",
} as const;

/** Describes a call for the trace: as the gateway would understand it, and where it cannot, by the messages as they are. */
export function describeOwnCall(dialect: Dialect, body: JsonObject): RuledRequest {
  const request = parse(dialect, body);
  return { request, rules: [], structuredOutput: undefined, grammar: undefined, untrainable };
}

function parse(dialect: Dialect, body: JsonObject): ModelRequest {
  try {
    return dialect.parse(body).request;
  } catch {
    return asItIs(body); // Its own server may understand what the gateway does not.
  }
}

function asItIs(body: JsonObject): ModelRequest {
  const { model, messages, input, stream, system, instructions } = body;
  const said = messages ?? input ?? body['prompt'] ?? [];
  const list = Array.isArray(said) ? (said as ChatMessage[]) : [{ role: 'user' as const, content: String(said) }];
  const first = system ?? instructions;
  return {
    body,
    model: typeof model === 'string' ? model : '(unnamed model)',
    input: {
      kind: 'chat',
      messages: typeof first === 'string' ? [{ role: 'system', content: first }, ...list] : list,
    },
    choices: 1,
    temperature: undefined,
    topP: undefined,
    maxTokens: undefined,
    seed: undefined,
    stop: [],
    view: { stream: stream === true, usage: false, logprobs: false, tokenIds: false },
  };
}
