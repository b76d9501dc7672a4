import type { Failure } from '../vocabulary/rollout.ts';

/** The codes of failures at a limit of turns, steps or tool calls. */
export const turnLimitCodes: ReadonlySet<string> = new Set([
  'GraphRecursionError', // LangGraph
  'ToolCallLimitExceededError', // LangChain's middleware
  'ModelCallLimitMiddlewareError',
  'MaxTurnsExceededError', // OpenAI Agents
  'MaxTurnsExceeded', // OpenAI Agents for Python
]);

/** The codes of failures that the policy causes by what it answers. */
export const policyCodes: ReadonlySet<string> = new Set([
  ...turnLimitCodes,
  // a tool call or an answer that cannot be read, or names a tool that there is not
  'AI_NoSuchToolError', // AI SDK
  'AI_InvalidToolInputError',
  'AI_InvalidToolArgumentsError',
  'AI_ToolCallRepairError',
  'AI_NoObjectGeneratedError',
  'NoSuchToolError',
  'InvalidToolInputError', // AI SDK, OpenAI Agents
  'InvalidToolArgumentsError',
  'ModelBehaviorError', // OpenAI Agents
  'OutputParserException', // LangChain
  'OUTPUT_PARSING_FAILURE', // its code, which stays where class names are shortened
  'ToolInputParsingException',
  'StructuredOutputParsingError',
  'MultipleStructuredOutputsError',
  'STRUCTURED_OUTPUT_SCHEMA_VALIDATION_FAILED', // Mastra
  // the limit of tokens
  'context-exceeded',
  'context_length_exceeded',
  'ContextOverflowError', // LangChain
  'LengthFinishReasonError', // OpenAI's client
]);

/** The codes of failures that are no doing of the policy. */
export const worldCodes: ReadonlySet<string> = new Set([
  // our store, gateway, engine and lease
  'store-unavailable',
  'store-full',
  'store-readonly',
  'store-corrupt',
  'store-closed',
  'store-fenced',
  'store-not-found',
  'upstream-rejected',
  'upstream-failed',
  'upstream-malformed',
  'upstream-timeout',
  'upstream-away',
  'paused',
  'port-unavailable',
  'backend-closed',
  'backend-failed',
  'session-lost',
  'lease-expired',
  'no-progress',
  'attempt-unknown',
  'disk-full',
  'command-unavailable',
  'cancelled',
  'limit-reached',
  // connections
  'connection-failed',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'APIConnectionError', // OpenAI's and Anthropic's clients
  'APIConnectionTimeoutError',
  'APITimeoutError',
  // services that are overloaded or broken
  'http-429',
  'http-5xx',
  'RateLimitError',
  'InternalServerError',
  // a machine without room
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
]);

/** The codes that only say that user code failed: then the message may tell more. */
const plainCodes: ReadonlySet<string> = new Set(['agent-failed', 'command-failed', 'Error']);

/** Messages of connections that broke, as Node's fetch and its sockets give them. */
const brokenConnection = /^(?:fetch failed|terminated|other side closed|socket hang up|network error)$/iu;

/** Matches what is a name and no word of a sentence, as "cancelled" and "paused" are: it has an inner capital, a hyphen or an underscore. */
const names = /\b[A-Za-z][\w-]*[A-Z_-][\w-]*/gu;

/** Returns the name by which a failure is sorted: its code, or a known code that its message names where the code is a plain one. */
export function nameOfFailure({ code, message }: Failure): string {
  if (!plainCodes.has(code)) return code;
  const words = message.match(names) ?? [];
  const known = words.find((word) => policyCodes.has(word)) ?? words.find((word) => worldCodes.has(word));
  return known ?? (isBrokenConnection(message) ? 'connection-failed' : code);
}

/** Tells whether a message is one of a connection that broke. */
export function isBrokenConnection(message: string): boolean {
  return brokenConnection.test(message.trim());
}

/** Tells whether a code only says that user code failed. */
export function isPlainCode(code: string): boolean {
  return plainCodes.has(code);
}
