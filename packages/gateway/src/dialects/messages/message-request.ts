import { parseChatRequest } from '../chat/chat-request.ts';
import type { ModelRequest } from '../../request/model-request.ts';
import { booleanField, integerField, present } from '../../request/request-fields.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import { listAt, objectAt, rejectUnknown, untranslatable } from '../untranslatable.ts';
import { mapMessages, mapSystem } from './message-input.ts';
import { mapToolChoice, mapTools } from './message-tools.ts';

/** Fields that mean the same in both dialects, and those that servers take beside the standard ones. */
const shared = [
  'model',
  'temperature',
  'top_p',
  'top_k',
  'stream',
  'seed',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'chat_template_kwargs',
] as const;

/** The fields that a request may have. `cache_control` is among them because it changes the price of a prompt, and not the reply. */
const known: ReadonlySet<string> = new Set([
  ...shared,
  'max_tokens',
  'messages',
  'system',
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
  'cache_control',
]);

const efforts: ReadonlySet<unknown> = new Set(['low', 'medium', 'high', 'xhigh']);

function mapThinking(body: JsonObject): void {
  const value = present(body, 'thinking');
  if (value === undefined) return;
  const thinking = objectAt(value, 'thinking');
  if (thinking['type'] === 'disabled' || thinking['type'] === 'adaptive') return;
  throw untranslatable(
    thinking['budget_tokens'] === undefined ? 'thinking.type' : 'thinking.budget_tokens',
    'the model thinks as its chat template says; ask for "adaptive" or "disabled"',
  );
}

function mapFormat(value: unknown, path: string): JsonObject {
  const format = objectAt(value, path);
  rejectUnknown(format, new Set(['type', 'schema', 'name']), path);
  if (format['type'] !== 'json_schema') throw untranslatable(`${path}.type`);
  return {
    response_format: {
      type: 'json_schema',
      json_schema: { name: format['name'] ?? 'output', schema: format['schema'], strict: true },
    },
  };
}

function mapOutput(body: JsonObject): JsonObject {
  const legacy = present(body, 'output_format');
  const mapped = legacy === undefined ? {} : mapFormat(legacy, 'output_format');
  const value = present(body, 'output_config');
  if (value === undefined) return mapped;
  const config = objectAt(value, 'output_config');
  rejectUnknown(config, new Set(['format', 'effort']), 'output_config');
  const effort = config['effort'] ?? undefined;
  if (effort !== undefined && !efforts.has(effort)) throw untranslatable('output_config.effort');
  const format = config['format'] ?? undefined;
  return {
    ...mapped,
    ...(format === undefined ? {} : mapFormat(format, 'output_config.format')),
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
  };
}

function mapMetadata(body: JsonObject): JsonObject {
  const value = present(body, 'metadata');
  if (value === undefined) return {};
  const metadata = objectAt(value, 'metadata');
  rejectUnknown(metadata, new Set(['user_id']), 'metadata');
  return typeof metadata['user_id'] === 'string' ? { user: metadata['user_id'] } : {};
}

/** Maps a Messages request onto chat completions. @throws {ReplyError} `request-invalid`, naming the field */
export function mapMessageRequest(body: JsonObject): ModelRequest {
  rejectUnknown(body, known, '');
  mapThinking(body);
  const limit = integerField(body, 'max_tokens', 1, Number.MAX_SAFE_INTEGER);
  if (limit === undefined) throw invalidField('max_tokens', 'must be an integer of at least 1');
  const stop = present(body, 'stop_sequences');
  const tools = mapTools(present(body, 'tools'));
  return parseChatRequest({
    ...Object.fromEntries(
      shared.flatMap((field) => (present(body, field) === undefined ? [] : [[field, body[field]]])),
    ),
    messages: [...mapSystem(present(body, 'system')), ...mapMessages(present(body, 'messages'))],
    max_tokens: limit,
    ...(stop === undefined ? {} : { stop: listAt(stop, 'stop_sequences') }),
    ...(tools.length === 0 ? {} : { tools }),
    ...mapToolChoice(present(body, 'tool_choice')),
    ...mapOutput(body),
    ...mapMetadata(body),
    ...(booleanField(body, 'stream') ? { stream_options: { include_usage: true } } : {}),
  });
}
