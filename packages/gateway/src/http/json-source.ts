/** Keeps the text of JSON objects that parsing would change: numbers with more digits than JavaScript has, `1.0`, and the order of fields that look like integers. */
import type { JsonObject } from './read-body.ts';

const sources = new WeakMap<JsonObject, string>();

/** Keeps the text that an object was parsed from, when writing the object again would not give it. @returns the characters that are kept */
export function keepSource(object: JsonObject, text: string): number {
  if (JSON.stringify(object) === withoutBlanks(text)) return 0;
  // A copy, since a part of a text would hold all of it in memory.
  sources.set(object, Buffer.from(text).toString());
  return text.length;
}

/** Returns an object as JSON, by its own text where that was kept. */
export function sourceOf(object: JsonObject): string {
  return sources.get(object) ?? JSON.stringify(object);
}

/** Returns a value as JSON, in which each object with a text of its own has that text. */
export function stringifyWithSources(value: unknown): string {
  const kept: string[] = [];
  const mark = crypto.randomUUID();
  const json = JSON.stringify(value, (_name, field: unknown) => {
    const source = typeof field === 'object' && field !== null ? sources.get(field as JsonObject) : undefined;
    return source === undefined ? field : `${mark} ${kept.push(source) - 1}`;
  });
  if (kept.length === 0) return json;
  return json.replaceAll(new RegExp(`"${mark} (\\d+)"`, 'gu'), (_text, index: string) => kept[Number(index)] ?? '');
}

function withoutBlanks(text: string): string {
  return text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\n\r]+/gu, (part) => (part.startsWith('"') ? part : ''));
}
