/**
 * Reads a JSON text by positions, so that one string of it can be replaced and every other byte stays. A function that finds what no JSON has
 * returns undefined; what lies inside values that nobody asks for is passed by unread.
 */

const brackets = /["{}[\]]/g;

/** Returns the position of the next character that is no white space. */
export function skipSpace(text: string, at: number): number {
  let position = at;
  while (/[ \t\n\r]/.test(text[position] ?? '')) position += 1;
  return position;
}

/** Returns the position after the value that begins at `at`. */
export function endOfValue(text: string, at: number): number | undefined {
  const first = text[at];
  if (first === '"') return endOfString(text, at);
  if (first === '{' || first === '[') return endOfContainer(text, at);
  const length = /^[^\s,:"{}[\]]+/.exec(text.slice(at, at + 400))?.[0].length;
  return length === undefined ? undefined : at + length;
}

function endOfString(text: string, at: number): number | undefined {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return undefined;
}

/** Counts brackets outside strings. It is no recursion: a body may be nested deeper than a stack is. */
function endOfContainer(text: string, at: number): number | undefined {
  let depth = 0;
  brackets.lastIndex = at;
  for (let found = brackets.exec(text); found !== null; found = brackets.exec(text)) {
    if (found[0] === '"') {
      const end = endOfString(text, found.index);
      if (end === undefined) return undefined;
      brackets.lastIndex = end;
    } else {
      depth += found[0] === '{' || found[0] === '[' ? 1 : -1;
      if (depth === 0) return found.index + 1;
    }
  }
  return undefined;
}

/** Returns the positions of an object's values by their names, of equal names the last one, as `JSON.parse` takes it. */
export function membersOf(text: string, at: number | undefined): ReadonlyMap<string, number> | undefined {
  if (at === undefined || text[at] !== '{') return undefined;
  const members = new Map<string, number>();
  let position = skipSpace(text, at + 1);
  if (text[position] === '}') return members;
  for (;;) {
    const name = stringAt(text, position);
    const colon = name === undefined ? -1 : skipSpace(text, endOfString(text, position)!);
    if (name === undefined || text[colon] !== ':') return undefined;
    const value = skipSpace(text, colon + 1);
    const end = endOfValue(text, value);
    if (end === undefined) return undefined;
    members.delete(name);
    members.set(name, value);
    position = skipSpace(text, end);
    if (text[position] === '}') return members;
    if (text[position] !== ',') return undefined;
    position = skipSpace(text, position + 1);
  }
}

/** Returns the positions of an array's values. */
export function elementsOf(text: string, at: number | undefined): readonly number[] | undefined {
  if (at === undefined || text[at] !== '[') return undefined;
  const elements: number[] = [];
  let position = skipSpace(text, at + 1);
  if (text[position] === ']') return elements;
  for (;;) {
    const end = endOfValue(text, position);
    if (end === undefined) return undefined;
    elements.push(position);
    position = skipSpace(text, end);
    if (text[position] === ']') return elements;
    if (text[position] !== ',') return undefined;
    position = skipSpace(text, position + 1);
  }
}

/** Returns the string that begins at `at`; undefined for any other value. */
export function stringAt(text: string, at: number | undefined): string | undefined {
  if (at === undefined || text[at] !== '"') return undefined;
  const end = endOfString(text, at);
  if (end === undefined) return undefined;
  try {
    return JSON.parse(text.slice(at, end)) as string;
  } catch {
    return undefined; // a control character or a bad escape: no JSON
  }
}
