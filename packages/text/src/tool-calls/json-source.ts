/** Reads the parts of JSON as source text, so that numbers and the order of keys stay as they were written. */

/** Returns the source text of each member of a JSON object, by name; undefined when the text is no JSON object. */
export function readJsonObject(text: string): ReadonlyMap<string, string> | undefined {
  const parts = readParts(text, '{');
  if (parts === undefined) return undefined;
  return new Map(
    parts.map((part) => {
      const key = /^"(?:[^"\\]|\\.)*"/.exec(part)?.[0] ?? '""';
      const value = part.slice(part.indexOf(':', key.length) + 1).trim();
      return [JSON.parse(key) as string, value];
    }),
  );
}

/** Returns the source text of each item of a JSON array; undefined when the text is no JSON array. */
export function readJsonArray(text: string): readonly string[] | undefined {
  return readParts(text, '[');
}

/** Returns the string that a JSON text stands for; undefined when it is no JSON string. */
export function readJsonString(text: string | undefined): string | undefined {
  return text !== undefined && text.startsWith('"') && isJson(text) ? (JSON.parse(text) as string) : undefined;
}

/** Tells whether a text is JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Returns a JSON object with these values, which are JSON text. */
export function writeJsonObject(members: ReadonlyMap<string, string>): string {
  return `{${Array.from(members, ([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')}}`;
}

/** Splits the JSON text of an object or an array at the commas of its first level. */
function readParts(text: string, bracket: '{' | '['): readonly string[] | undefined {
  const source = text.trim();
  if (!source.startsWith(bracket) || !isJson(source)) return undefined;
  const parts: string[] = [];
  let depth = 0;
  let from = 1;
  for (let at = 1; at < source.length; at += 1) {
    const letter = source[at];
    if (letter === '"') at = endOfString(source, at);
    else if (letter === '{' || letter === '[') depth += 1;
    else if ((letter === '}' || letter === ']') && at < source.length - 1) depth -= 1;
    else if ((letter === ',' && depth === 0) || at === source.length - 1) {
      parts.push(source.slice(from, at).trim());
      from = at + 1;
    }
  }
  return parts.length === 1 && parts[0] === '' ? [] : parts;
}

/** Returns the index of the quote that ends the string that begins at `start`. */
function endOfString(source: string, start: number): number {
  let at = start + 1;
  while (source[at] !== '"') at += source[at] === '\\' ? 2 : 1;
  return at;
}
