/** Splits long JSON text, so that it can be parsed in pieces between which other work is done. */

/** The number of characters after which a search lets others work. */
const longestSearch = 1 << 19;

/**
 * Finds the members of the object or list that begins at `start`, in groups of whole members with commas between them.
 *
 * Nothing but brackets, commas and texts is looked at: whoever parses the groups finds what is no JSON.
 *
 * @param length a group ends with the first member that makes it this long; 0 gives each member alone
 * @returns the index behind the closing bracket; undefined in between, when it has searched long enough for a pause
 * @throws {SyntaxError} when the text ends too early, or a comma is followed by nothing
 */
export function* splitMembers(
  text: string,
  start: number,
  length: number,
): Generator<string | undefined, number, undefined> {
  let depth = 0;
  let groupStart = start + 1;
  let pause = start + longestSearch;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = findTextEnd(text, at);
    else if (code === openingBrace || code === openingBracket) depth += 1;
    else if (code === closingBrace || code === closingBracket) {
      depth -= 1;
      if (depth > 0) continue;
      const last = text.slice(groupStart, at);
      if (last.trim() !== '') yield last;
      else if (groupStart > start + 1) throw new SyntaxError(`a member is missing at character ${at}`);
      return at + 1;
    } else if (code === comma && depth === 1 && at - groupStart >= length) {
      yield text.slice(groupStart, at);
      groupStart = at + 1;
    }
    if (at >= pause) {
      yield undefined;
      pause = at + longestSearch;
    }
  }
  throw new SyntaxError('it ends too early');
}

const quote = 34;
const comma = 44;
const openingBracket = 91;
const backslash = 92;
const closingBracket = 93;
const openingBrace = 123;
const closingBrace = 125;

/** Returns the index of the quote that ends a text. */
function findTextEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  throw new SyntaxError('it ends within a text');
}

/** Splits `"name": value`, as {@link splitMembers} gives a member of an object. @throws {SyntaxError} when it is none */
export function splitMember(member: string): readonly [name: string, value: string] {
  const begin = member.indexOf('"');
  const end = begin < 0 ? -1 : findTextEnd(member, begin);
  const colon = member.indexOf(':', end);
  if (end < 0 || colon < 0 || (member.slice(0, begin) + member.slice(end + 1, colon)).trim() !== '')
    throw new SyntaxError(`${member.trim().slice(0, 40)} is no member of an object`);
  return [JSON.parse(member.slice(begin, end + 1)) as string, member.slice(colon + 1).trim()];
}
