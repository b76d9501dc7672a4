import { parseChatRequest } from '../chat/chat-request.ts';
import type { ModelRequest } from '../../request/model-request.ts';
import { booleanField, integerField, present } from '../../request/request-fields.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import type { KeptItems } from '../kept-items.ts';
import { listAt, objectAt, rejectUnknown, untranslatable } from '../untranslatable.ts';
import { mapItems, resolveConversation, type Conversation } from './response-input.ts';
import { mapToolChoice, mapTools } from './response-tools.ts';

/** Fields that mean the same in both dialects, and those that servers take beside the standard ones. */
const shared = [
  'model',
  'temperature',
  'top_p',
  'parallel_tool_calls',
  'metadata',
  'user',
  'safety_identifier',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'stream',
  'seed',
  'stop',
  'top_k',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'logit_bias',
  'chat_template_kwargs',
] as const;

const known: ReadonlySet<string> = new Set([
  ...shared,
  'input',
  'previous_response_id',
  'instructions',
  'max_output_tokens',
  'text',
  'reasoning',
  'tools',
  'tool_choice',
  'include',
  'store',
  'truncation',
  'background',
  'stream_options',
  'top_logprobs',
]);

function mapText(body: JsonObject): JsonObject {
  const text = present(body, 'text');
  if (text === undefined) return {};
  const options = objectAt(text, 'text');
  rejectUnknown(options, new Set(['format', 'verbosity']), 'text');
  const verbosity = options['verbosity'] ?? undefined;
  const format = objectAt(options['format'] ?? { type: 'text' }, 'text.format');
  const { type, ...schema } = format;
  if (type !== 'text' && type !== 'json_object' && type !== 'json_schema') throw untranslatable('text.format.type');
  if (type === 'json_schema')
    rejectUnknown(schema, new Set(['name', 'schema', 'strict', 'description']), 'text.format');
  return {
    ...(type === 'text' ? {} : { response_format: type === 'json_schema' ? { type, json_schema: schema } : { type } }),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
}

/** Names the summaries that can be asked for. The policy's reasoning comes whole, and without a summary, for each of them. */
const summaries: ReadonlySet<unknown> = new Set(['auto', 'concise', 'detailed']);

function mapReasoning(body: JsonObject): JsonObject {
  const value = present(body, 'reasoning');
  if (value === undefined) return {};
  const reasoning = objectAt(value, 'reasoning');
  rejectUnknown(reasoning, new Set(['effort', 'summary', 'generate_summary']), 'reasoning');
  for (const field of ['summary', 'generate_summary']) {
    if (!summaries.has(reasoning[field] ?? 'auto'))
      throw invalidField(`reasoning.${field}`, 'must be "auto", "concise" or "detailed"');
  }
  const effort = reasoning['effort'] ?? undefined;
  return effort === undefined ? {} : { reasoning_effort: effort };
}

/** Maps `include` onto chat fields: reasoning is there anyway, and only log-probabilities must be asked for. */
function mapInclude(body: JsonObject): JsonObject {
  const include = present(body, 'include');
  const top = integerField(body, 'top_logprobs', 0, 20);
  const asked = include === undefined ? [] : listAt(include, 'include');
  for (const [index, item] of asked.entries()) {
    if (item !== 'reasoning.encrypted_content' && item !== 'message.output_text.logprobs')
      throw untranslatable(`include[${index}]`);
  }
  const wantsLogprobs = asked.includes('message.output_text.logprobs') || (top ?? 0) > 0;
  return wantsLogprobs ? { logprobs: true, ...(top === undefined || top === 0 ? {} : { top_logprobs: top }) } : {};
}

function rejectServices(body: JsonObject): void {
  if (booleanField(body, 'background')) throw untranslatable('background', 'ask for the reply or its stream');
  // "auto" asks to cut a prompt that is too long. Here such a prompt is refused, as with "disabled": its tokens would not be the agent's.
  const truncation = present(body, 'truncation') ?? 'disabled';
  if (truncation !== 'disabled' && truncation !== 'auto')
    throw invalidField('truncation', 'must be "auto" or "disabled"');
  const options = present(body, 'stream_options');
  if (options !== undefined) {
    rejectUnknown(objectAt(options, 'stream_options'), new Set(['include_obfuscation']), 'stream_options');
    if (booleanField(objectAt(options, 'stream_options'), 'include_obfuscation'))
      throw untranslatable('stream_options.include_obfuscation');
  }
  booleanField(body, 'store');
}

/** A Responses request as one of chat completions, and the items of its conversation. */
export interface MappedResponseRequest {
  readonly request: ModelRequest;
  readonly conversation: Conversation;
}

/** Maps a Responses request onto chat completions. @throws {ReplyError} `request-invalid`, naming the field */
export function mapResponseRequest(body: JsonObject, kept: KeptItems): MappedResponseRequest {
  rejectUnknown(body, known, '');
  rejectServices(body);
  const instructions = present(body, 'instructions');
  if (instructions !== undefined && typeof instructions !== 'string')
    throw invalidField('instructions', 'must be a text');
  const limit = integerField(body, 'max_output_tokens', 1, Number.MAX_SAFE_INTEGER);
  const tools = mapTools(present(body, 'tools'));
  const choice = mapToolChoice(present(body, 'tool_choice'));
  const isStream = booleanField(body, 'stream');
  const conversation = resolveConversation(body, kept);
  const request = parseChatRequest({
    ...Object.fromEntries(
      shared.flatMap((field) => (present(body, field) === undefined ? [] : [[field, body[field]]])),
    ),
    messages: [
      ...(instructions === undefined ? [] : [{ role: 'system', content: instructions }]),
      ...mapItems(conversation),
    ],
    ...(limit === undefined ? {} : { max_tokens: limit }),
    ...(tools.length === 0 ? {} : { tools }),
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...mapText(body),
    ...mapReasoning(body),
    ...mapInclude(body),
    ...(isStream ? { stream_options: { include_usage: true } } : {}),
  });
  return { request, conversation };
}
