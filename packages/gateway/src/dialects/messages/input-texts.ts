import { splitMember, splitMembers } from '@agent-lightning/text';
import { keepSource } from '../../http/json-source.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { isObject } from '../../request/request-fields.ts';

const toolUse = '"tool_use"';

/**
 * Keeps the texts of the tool inputs in a request, so that the next prompt has what the model wrote.
 *
 * @param text the JSON that `body` was parsed from
 * @returns the number of characters that are kept
 */
export function keepInputTexts(body: JsonObject, text: string): number {
  const messages = body['messages'];
  const list = text.includes(toolUse) && Array.isArray(messages) ? membersOf(text).get('messages') : undefined;
  if (list === undefined) return 0;
  let kept = 0;
  for (const [index, message] of itemsOf(list).entries()) {
    const content = message.includes(toolUse) ? membersOf(message).get('content') : undefined;
    const blocks = (messages as readonly (JsonObject | null)[])[index]?.['content'];
    if (content === undefined || !Array.isArray(blocks)) continue;
    for (const [at, block] of itemsOf(content).entries()) kept += keepInput(blocks[at], block);
  }
  return kept;
}

function keepInput(block: unknown, text: string): number {
  const input = isObject(block) ? block['input'] : undefined;
  const source = isObject(input) ? membersOf(text).get('input') : undefined;
  return isObject(input) && source !== undefined ? keepSource(input, source) : 0;
}

/** Returns the items of a list, as texts. */
function itemsOf(list: string): readonly string[] {
  return [...splitMembers(list, list.indexOf('['), 0)].filter((item) => item !== undefined);
}

/** Returns the members of an object, as texts; the last one of a name counts, as for the parser. */
function membersOf(object: string): ReadonlyMap<string, string> {
  const start = object.search(/\S/u);
  if (object[start] !== '{') return new Map();
  const members = [...splitMembers(object, start, 0)].filter((member) => member !== undefined);
  return new Map(members.map(splitMember));
}
