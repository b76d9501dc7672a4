import type { JsonValue } from '@agent-lightning/core';

/** The parts of a request by which a recorded answer is found. */
export interface KeyedRequest {
  readonly messages: readonly JsonValue[];
  readonly tools: readonly JsonValue[];
}

/**
 * Returns the key of a request: its messages and its tools, whatever the order of their fields. The ids of tool calls count by their order, and
 * what `ignored` matches in a text does not count. Model, temperature and limits do not count either.
 */
export function keyOf(request: KeyedRequest, ignored: readonly RegExp[]): string {
  return JSON.stringify(normaliseMessages(request, ignored));
}

/** Says where a request differs from the recorded one that is most like it. */
export function describeDifference(
  request: KeyedRequest,
  recorded: readonly KeyedRequest[],
  ignored: readonly RegExp[],
): string {
  if (recorded.length === 0) return 'the recording has no calls';
  const asked = normaliseMessages(request, ignored).map((part) => JSON.stringify(part));
  const others = recorded.map((each) => normaliseMessages(each, ignored).map((part) => JSON.stringify(part)));
  const [nearest] = others.toSorted((a, b) => countEqual(b, asked) - countEqual(a, asked));
  const at = countEqual(nearest!, asked);
  if (at === asked.length && at === nearest!.length) return 'it was asked more often than it was recorded';
  const place = at === 0 ? 'the tools differ' : `message ${at} differs`;
  return `${place}: recorded ${showAround(nearest![at], asked[at])}, now ${showAround(asked[at], nearest![at])}`;
}

function countEqual(a: readonly string[], b: readonly string[]): number {
  let count = 0;
  while (count < Math.min(a.length, b.length) && a[count] === b[count]) count++;
  return count;
}

/** The most characters of a message that are shown. */
const shownCharacters = 120;

/** Shows a text from shortly before its first difference from another one. */
function showAround(text: string | undefined, other: string | undefined): string {
  if (text === undefined) return 'nothing';
  let at = 0;
  while (other !== undefined && at < text.length && text[at] === other[at]) at++;
  const from = Math.max(0, at - 40);
  const shown = text.slice(from, from + shownCharacters);
  return `${from > 0 ? '…' : ''}${shown}${from + shownCharacters < text.length ? '…' : ''}`;
}

/** Returns the tools, then each message, as values that are equal where the requests are. */
function normaliseMessages({ messages, tools }: KeyedRequest, ignored: readonly RegExp[]): readonly unknown[] {
  const ids = new Map<string, string>();
  const nameId = (id: string): string => {
    if (!ids.has(id)) ids.set(id, `call ${ids.size + 1}`);
    return ids.get(id)!;
  };
  const normalise = (value: unknown, field = ''): unknown => {
    if (Array.isArray(value)) return value.map((each) => normalise(each));
    if (typeof value === 'string') {
      if (field === 'id' || field === 'tool_call_id') return nameId(value);
      return ignored.reduce((text, pattern) => text.replaceAll(toGlobal(pattern), ''), value);
    }
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value)
      .filter(([, each]) => each !== null && each !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([name, each]) => [name, normalise(each, name)]));
  };
  return [normalise(tools), ...messages.map((message) => normalise(message))];
}

function toGlobal(pattern: RegExp): RegExp {
  return pattern.global ? pattern : new RegExp(pattern.source, `${pattern.flags}g`);
}
