import type { ChatMessage } from '@agent-lightning/core';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import { ChatTurns, contentOf, type ChatPart } from '../chat/chat-turns.ts';
import { listAt, objectAt, rejectUnknown, textAt, untranslatable } from '../untranslatable.ts';
import { argumentsOf } from './tool-input.ts';

const textFields: ReadonlySet<string> = new Set(['type', 'text', 'cache_control', 'citations']);
const imageFields: ReadonlySet<string> = new Set(['type', 'source', 'cache_control']);
const callFields: ReadonlySet<string> = new Set(['type', 'id', 'name', 'input', 'cache_control', 'caller']);
const resultFields: ReadonlySet<string> = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']);

function imageUrl(block: JsonObject, path: string): string {
  const source = objectAt(block['source'], `${path}.source`);
  if (source['type'] === 'url') return textAt(source, 'url', `${path}.source`);
  if (source['type'] !== 'base64') throw untranslatable(`${path}.source.type`, 'give the image as base64 or url');
  return `data:${textAt(source, 'media_type', `${path}.source`)};base64,${textAt(source, 'data', `${path}.source`)}`;
}

function mapPart(value: unknown, path: string): ChatPart {
  const block = objectAt(value, path);
  if (block['type'] === 'text') {
    rejectUnknown(block, textFields, path);
    if (Array.isArray(block['citations']) && block['citations'].length > 0) throw untranslatable(`${path}.citations`);
    return { type: 'text', text: textAt(block, 'text', path) };
  }
  if (block['type'] === 'image') {
    rejectUnknown(block, imageFields, path);
    return { type: 'image_url', image_url: { url: imageUrl(block, path) } };
  }
  throw untranslatable(`${path}.type`, 'text and images can be given here');
}

function mapParts(content: unknown, path: string): readonly ChatPart[] {
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return listAt(content, path).map((part, index) => mapPart(part, `${path}[${index}]`));
}

/** Returns the parts of a tool's result. Chat completions have no mark for a tool's failure, so the text of a failed result says it. */
function resultParts(block: JsonObject, path: string): readonly ChatPart[] {
  rejectUnknown(block, resultFields, path);
  const parts = mapParts(block['content'], `${path}.content`);
  if (block['is_error'] !== true) return parts;
  const [first, ...rest] = parts;
  if (first?.type !== 'text') return [{ type: 'text', text: 'Error' }, ...parts];
  return /^\W*error/iu.test(first.text) ? parts : [{ type: 'text', text: `Error: ${first.text}` }, ...rest];
}

function addUser(turns: ChatTurns, content: unknown, path: string): void {
  if (typeof content === 'string') return turns.add({ role: 'user', content });
  let parts: ChatPart[] = [];
  const flush = (): void => {
    if (parts.length > 0) turns.add({ role: 'user', content: contentOf(parts) });
    parts = [];
  };
  for (const [index, value] of listAt(content, path).entries()) {
    const block = objectAt(value, `${path}[${index}]`);
    if (block['type'] === 'tool_result') {
      flush();
      turns.add({
        role: 'tool',
        tool_call_id: textAt(block, 'tool_use_id', `${path}[${index}]`),
        content: contentOf(resultParts(block, `${path}[${index}]`)),
      });
    } else parts.push(mapPart(block, `${path}[${index}]`));
  }
  flush();
}

function addAssistant(turns: ChatTurns, content: unknown, path: string): void {
  if (typeof content === 'string') return turns.addText([{ type: 'text', text: content }]);
  const blocks = listAt(content, path).map((value, index) => objectAt(value, `${path}[${index}]`));
  const isSaid = ({ type }: JsonObject): boolean => type !== 'thinking' && type !== 'tool_use';
  const texts: ChatPart[] = [];
  let calls = 0;
  for (const [index, block] of blocks.entries()) {
    const at = `${path}[${index}]`;
    if (block['type'] === 'thinking') {
      if (calls > 0 || texts.length > 0) throw untranslatable(at, 'thinking comes first');
      turns.addReasoning(textAt(block, 'thinking', at));
    } else if (isSaid(block)) {
      if (calls > 0) throw untranslatable(at, 'text comes before tool calls');
      texts.push(mapPart(block, at));
      const next = blocks[index + 1];
      if (next === undefined || !isSaid(next)) turns.addText(texts);
    } else {
      rejectUnknown(block, callFields, at);
      const input = objectAt(block['input'], `${at}.input`);
      turns.addCall(textAt(block, 'id', at), textAt(block, 'name', at), argumentsOf(input));
      calls += 1;
    }
  }
  return undefined;
}

/** Returns the chat message of a system prompt, or none when there is no prompt. */
export function mapSystem(system: unknown): readonly ChatMessage[] {
  return system === undefined ? [] : [{ role: 'system', content: contentOf(mapParts(system, 'system')) }];
}

/** Maps a conversation onto chat messages. @throws {ReplyError} `request-invalid`, naming the block */
export function mapMessages(messages: unknown): readonly ChatMessage[] {
  const turns = new ChatTurns();
  const list = listAt(messages, 'messages');
  for (const [index, value] of list.entries()) {
    const path = `messages[${index}]`;
    const message = objectAt(value, path);
    rejectUnknown(message, new Set(['role', 'content']), path);
    const { role, content } = message;
    if (role === 'user') addUser(turns, content, `${path}.content`);
    else if (role === 'assistant') addAssistant(turns, content, `${path}.content`);
    else if (role === 'system') turns.add({ role, content: contentOf(mapParts(content, `${path}.content`)) });
    else throw invalidField(`${path}.role`, 'must be "user", "assistant" or "system"');
  }
  const last = list.at(-1) as JsonObject | undefined;
  if (last?.['role'] === 'assistant')
    throw untranslatable(
      `messages[${list.length - 1}]`,
      'end with a user message: a reply cannot be begun for the model',
    );
  return turns.toMessages();
}
