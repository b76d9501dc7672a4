/** Parses bodies that carry JSON. Arguments stay the text that the model wrote. */
import { readJsonArray, readJsonObject, readJsonString } from '../json-source.ts';
import type { ToolCall } from '../tool-call.ts';
import type { ParseBody } from './body.ts';

/** Parses `{"name": …, "arguments": {…}}`; `parameters` is another word for the arguments, and a call may leave them out. */
export const parseNamedObject: ParseBody = (body) => {
  const call = readNamedObject(body);
  return call === undefined ? undefined : [call];
};

/** Parses `[{"name": …, "arguments": {…}}, …]`, or one such object alone. */
export const parseNamedObjects: ParseBody = (body) => {
  const items = readJsonArray(body) ?? [body];
  const calls = items.map(readNamedObject);
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
};

/** Reads one call. Arguments in a string, as some models write them, are the JSON text in that string. */
export function readNamedObject(text: string): ToolCall | undefined {
  const members = readJsonObject(text);
  const name = readJsonString(members?.get('name'));
  if (members === undefined || name === undefined) return undefined;
  const source = members.get('arguments') ?? members.get('parameters') ?? 'null';
  return { name, arguments: readJsonString(source) ?? (source === 'null' ? '{}' : source) };
}

/** Parses `name>{…}`, the text after `<function=`. */
export const parseFunctionTag: ParseBody = (body) => {
  const at = body.indexOf('>');
  const name = body.slice(0, Math.max(0, at)).trim();
  const source = body.slice(at + 1).trim();
  return name === '' || readJsonObject(source) === undefined ? undefined : [{ name, arguments: source }];
};

/** Describes bodies of a name, a mark and JSON. */
export interface HeadedJson {
  /** Matches the text between the name and the arguments. */
  readonly mark: RegExp;
  /** Returns the name that the text before the mark gives; undefined when it gives none. */
  readonly readName: (head: string) => string | undefined;
  /**
   * Decides about a call that the answer's end cut off: `as-written` hands its arguments on, broken as they are, so that the agent
   * sees it; `text` leaves it in the content.
   */
  readonly cutOff: 'as-written' | 'text';
}

/** Returns the parser of a name, a mark and JSON. */
export function parseHeadedJson({ mark, readName, cutOff }: HeadedJson): ParseBody {
  return (body, { isClosed }) => {
    const found = mark.exec(body);
    if (found === null) return undefined;
    const name = readName(body.slice(0, found.index).trim());
    const source = body.slice(found.index + found[0].length).trim();
    const mayBeBroken = !isClosed && cutOff === 'as-written';
    if (name === undefined || (!mayBeBroken && source !== '' && readJsonObject(source) === undefined)) return undefined;
    return [{ name, arguments: source === '' ? '{}' : source }];
  };
}

/** Parses `function<｜tool▁sep｜>name`, a line break and JSON in a fence, as DeepSeek V3 writes a call. */
export const parseDeepSeekFence: ParseBody = (body) => {
  const found = /^\s*\w*<｜tool▁sep｜>([^\n]+)\n```json\n([^]*?)\n?```\s*$/.exec(body);
  const [, name, source] = found ?? [];
  if (name === undefined || source === undefined || readJsonObject(source) === undefined) return undefined;
  return [{ name: name.trim(), arguments: source.trim() }];
};
