import type { ChatMessage, GenerateRequest, JsonValue } from '@agent-lightning/core';
import { invalidField } from '../http/reply-error.ts';
import type { ModelRequest } from '../request/model-request.ts';

/** Fields that an engine in this process honours, or that change nothing about the reply. */
const honoured: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'prompt',
  'tools',
  'n',
  'temperature',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'seed',
  'stream',
  'stream_options',
  'return_token_ids',
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'parallel_tool_calls',
]);

/** Fields that may have these values, which change nothing. */
const neutral: Readonly<Record<string, (value: unknown) => boolean>> = {
  // A chat asks for log-probabilities, a completion for so many alternatives beside them.
  logprobs: (value) => typeof value === 'boolean' || value === 0,
  echo: (value) => value === false,
  best_of: (value) => typeof value === 'number',
  suffix: (value) => value === '',
  top_p: (value) => value === 1,
  top_k: (value) => value === 0 || value === -1,
  min_p: (value) => value === 0,
  top_logprobs: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  repetition_penalty: (value) => value === 1,
  logit_bias: (value) => typeof value === 'object' && Object.keys(value as object).length === 0,
  response_format: (value) => (value as { type?: unknown }).type === 'text',
  tool_choice: (value) => value === 'auto' || value === 'none',
  modalities: (value) => Array.isArray(value) && value.every((item) => item === 'text'),
};

function rejectUnsupported(body: ModelRequest['body']): void {
  for (const field of Object.keys(body)) {
    const value = body[field];
    if (honoured.has(field) || value === null || value === undefined) continue;
    if (!Object.hasOwn(neutral, field) || neutral[field]?.(value) !== true) {
      throw invalidField(field, 'is not supported by the engine that serves this model; leave it out');
    }
  }
}

/** Rejects parts that are no text. The engine joins the others, as its chat template wants them. */
function requireTextContent(content: JsonValue | undefined, path: string): void {
  if (content === undefined || content === null || typeof content === 'string') return;
  if (!Array.isArray(content)) throw invalidField(path, 'must be a text, or a list of text parts');
  for (const [index, part] of (content as readonly JsonValue[]).entries()) {
    const fields = (typeof part === 'object' && part !== null ? part : {}) as Readonly<Record<string, JsonValue>>;
    if (fields['type'] !== 'text' || typeof fields['text'] !== 'string')
      throw invalidField(`${path}[${index}]`, 'is not a text part; the engine that serves this model reads text only');
  }
}

function engineMessage(message: ChatMessage, index: number): ChatMessage {
  requireTextContent(message.content, `messages[${index}].content`);
  return message.role === 'developer' ? { ...message, role: 'system' } : message;
}

function engineTools(request: ModelRequest): readonly JsonValue[] | undefined {
  const tools = request.body['tools'];
  if (tools === undefined || tools === null || request.body['tool_choice'] === 'none') return undefined;
  if (!Array.isArray(tools)) throw invalidField('tools', 'must be a list');
  return tools.length === 0 ? undefined : (tools as JsonValue[]);
}

function engineInput(request: ModelRequest): GenerateRequest['input'] {
  if (request.input.kind === 'completion') return { prompt: request.input.prompt };
  const tools = engineTools(request);
  return { messages: request.input.messages.map(engineMessage), ...(tools === undefined ? {} : { tools }) };
}

/** Maps a request onto an engine. @throws {ReplyError} `request-invalid`, naming a field that the engine cannot honour */
export function mapEngineRequest(request: ModelRequest): GenerateRequest {
  rejectUnsupported(request.body);
  return {
    input: engineInput(request),
    choices: request.choices,
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
    ...(request.stop.length === 0 ? {} : { stop: request.stop }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
  };
}
