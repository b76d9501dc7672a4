import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField, ReplyError } from '../../http/reply-error.ts';
import { ChatTurns, contentOf, type ChatPart } from '../chat/chat-turns.ts';
import { mostItemCharacters, type KeptItems } from '../kept-items.ts';
import { readCarriedReasoning } from './carried-reasoning.ts';
import { itemSize } from './item-size.ts';
import { present } from '../../request/request-fields.ts';
import { earlierItems } from './kept-responses.ts';
import { listAt, objectAt, rejectUnknown, textAt, untranslatable } from '../untranslatable.ts';

const callFields: ReadonlySet<string> = new Set(['type', 'id', 'call_id', 'name', 'arguments', 'status']);
const outputFields: ReadonlySet<string> = new Set(['type', 'id', 'call_id', 'output', 'status']);
const messageFields: ReadonlySet<string> = new Set(['type', 'id', 'role', 'content', 'status', 'phase']);
const reasoningFields: ReadonlySet<string> = new Set(['type', 'id', 'summary', 'content', 'status']);

function imagePart(part: JsonObject, path: string): ChatPart {
  if (typeof part['image_url'] !== 'string') throw untranslatable(path, 'give the image as `image_url`');
  rejectUnknown(part, new Set(['type', 'image_url', 'detail']), path);
  const detail = typeof part['detail'] === 'string' ? { detail: part['detail'] } : {};
  return { type: 'image_url', image_url: { url: part['image_url'], ...detail } };
}

function filePart(part: JsonObject, path: string): ChatPart {
  const { type: _type, ...file } = part;
  rejectUnknown(file, new Set(['file_id', 'file_data', 'filename']), path);
  return { type: 'file', file: file as { readonly [field: string]: JsonValue } };
}

function mapPart(value: unknown, path: string): ChatPart {
  const part = objectAt(value, path);
  const { type } = part;
  if (type === 'input_text' || type === 'output_text') return { type: 'text', text: textAt(part, 'text', path) };
  if (type === 'input_image') return imagePart(part, path);
  if (type === 'input_file') return filePart(part, path);
  if (type === 'input_audio')
    return {
      type,
      input_audio: objectAt(part['input_audio'], `${path}.input_audio`) as { readonly [field: string]: JsonValue },
    };
  throw untranslatable(`${path}.type`);
}

function mapParts(content: unknown, path: string): readonly ChatPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return listAt(content, path).map((part, index) => mapPart(part, `${path}[${index}]`));
}

function addMessage(turns: ChatTurns, item: JsonObject, path: string): void {
  rejectUnknown(item, messageFields, path);
  const role = item['role'];
  const { content } = item;
  if (role === 'assistant') {
    const parts = typeof content === 'string' ? [] : listAt(content, `${path}.content`);
    const isRefusal = (part: unknown): part is { refusal: string } =>
      (part as JsonObject | null)?.['type'] === 'refusal';
    const refusal = parts.map((part) => (isRefusal(part) ? part.refusal : '')).join('');
    const said = typeof content === 'string' ? content : parts.filter((part) => !isRefusal(part));
    return turns.addText(mapParts(said, `${path}.content`), refusal);
  }
  if (role !== 'user' && role !== 'system' && role !== 'developer')
    throw invalidField(`${path}.role`, 'must be "user", "assistant", "system" or "developer"');
  // Chat templates know the system's role and not the developer's, which means the same.
  return turns.add({
    role: role === 'developer' ? 'system' : role,
    content: contentOf(mapParts(content, `${path}.content`)),
  });
}

function reasoningText(item: JsonObject, path: string): string {
  const { encrypted_content: encrypted, ...rest } = item;
  rejectUnknown(rest, reasoningFields, path);
  const parts = [...listAt(item['content'] ?? [], `${path}.content`)];
  const shownParts = parts.length > 0 ? parts : listAt(item['summary'] ?? [], `${path}.summary`);
  const text = shownParts
    .map((part, index) => textAt(objectAt(part, `${path}.content[${index}]`), 'text', `${path}.content[${index}]`))
    .join('\n');
  if (text !== '' || typeof encrypted !== 'string' || encrypted === '') return text;
  const carried = readCarriedReasoning(encrypted);
  if (carried === undefined)
    throw untranslatable(`${path}.encrypted_content`, 'only the model that encrypted it can read it');
  return carried;
}

function addItem(turns: ChatTurns, item: JsonObject, path: string): void {
  const type = item['type'] ?? 'message';
  if (type === 'message') return addMessage(turns, item, path);
  if (type === 'reasoning') return turns.addReasoning(reasoningText(item, path));
  if (type === 'function_call') {
    rejectUnknown(item, callFields, path);
    return turns.addCall(textAt(item, 'call_id', path), textAt(item, 'name', path), textAt(item, 'arguments', path));
  }
  if (type === 'function_call_output') {
    rejectUnknown(item, outputFields, path);
    return turns.add({
      role: 'tool',
      tool_call_id: textAt(item, 'call_id', path),
      content: contentOf(mapParts(item['output'], `${path}.output`)),
    });
  }
  throw untranslatable(`${path}.type`, 'the gateway keeps no items and runs no tools');
}

/** Returns the item of an earlier reply that a reference names. */
function findItem(reference: JsonObject, kept: KeptItems, path: string): JsonObject {
  const found = kept.outputs.get(textAt(reference, 'id', path));
  if (found === undefined) throw invalidField(`${path}.id`, 'is no item that this attempt got; send the item itself');
  return found;
}

/** Returns the items with those that references stand for. A reference is short, and what it stands for may be long: the sum is bounded. */
function resolveItems(input: readonly unknown[], kept: KeptItems): readonly JsonObject[] {
  let characters = 0;
  return input.map((value, index) => {
    const path = `input[${index}]`;
    const item = objectAt(value, path);
    if (item['type'] !== 'item_reference') return item;
    const found = findItem(item, kept, path);
    characters += itemSize(found);
    if (characters <= mostItemCharacters) return found;
    throw new ReplyError(
      `the items that \`input\` refers to, up to \`${path}\`, have more than ${mostItemCharacters} characters; refer to fewer`,
      { code: 'request-too-large', param: path },
    );
  });
}

function ownItems(body: JsonObject, kept: KeptItems): readonly JsonObject[] {
  const input = present(body, 'input');
  return typeof input === 'string' ? [{ role: 'user', content: input }] : resolveItems(listAt(input, 'input'), kept);
}

/** The items of a request's conversation. */
export interface Conversation {
  /** Those up to the response that the request names. */
  readonly earlier: readonly JsonObject[];
  /** Those of the request, of which references are resolved. */
  readonly own: readonly JsonObject[];
}

/** Finds the items of a request's conversation. @throws {ReplyError} `request-invalid` */
export function resolveConversation(body: JsonObject, kept: KeptItems): Conversation {
  return { earlier: earlierItems(present(body, 'previous_response_id'), kept), own: ownItems(body, kept) };
}

/** Maps the items of a Responses request onto chat messages. @throws {ReplyError} `request-invalid`, naming the item */
export function mapItems({ earlier, own }: Conversation): readonly ChatMessage[] {
  const turns = new ChatTurns();
  for (const item of earlier) addItem(turns, item, 'previous_response_id');
  for (const [index, item] of own.entries()) addItem(turns, item, `input[${index}]`);
  return turns.toMessages();
}
