/** Where the ids and log-probabilities of its one choice stand in a chunk's text, and what they are. */
export interface Lifted {
  readonly ids: readonly number[];
  readonly logprobs: readonly number[];
  /** From the first character of the value of `logprobs` to the one after it. */
  readonly logprobsAt: number;
  readonly logprobsEnd: number;
  /** From the comma before `token_ids` to the character after its list. */
  readonly idsAt: number;
  readonly idsEnd: number;
}

// A quote inside a JSON string is escaped, so that these can only be a key and the beginning of its value.
export const idsOpening = ',"token_ids":[';
export const logprobsOpening = '{"content":[';
const logprobsKey = '"logprobs":';
const logprobKey = '"logprob":';
const noRefusal = ',"refusal":null}';

const quote = 34;
const comma = 44;
const backslash = 92;
const closingBracket = 93;
const closingBrace = 125;

/** Reads the ids from the first one to the end of their list; returns the character after it, -1 for what needs the ordinary parser. */
export function readIds(text: string, start: number, ids: number[]): number {
  let id = 0;
  let digits = 0;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) {
      id = id * 10 + (code - 48);
      digits += 1;
    } else if ((code === comma || code === closingBracket) && digits > 0 && digits < 11) {
      ids.push(id);
      if (code === closingBracket) return at + 1;
      id = 0;
      digits = 0;
    } else return -1;
  }
  return -1;
}

/** The character after a string that begins at `start`, its first quote included. */
export function skipString(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) at += 1;
    else if (code === quote) return at + 1;
  }
  return at;
}

/**
 * Reads the `logprob` of each entry of a `content` list, from the first entry to the end of the object that the list is in, and
 * not those of the alternatives inside an entry; returns the character after it, -1 for what needs the ordinary parser.
 */
export function readLogprobs(text: string, start: number, logprobs: number[]): number {
  let depth = 1;
  let entries = 0;
  let at = start;
  while (depth > 0) {
    if (at >= text.length) return -1;
    const code = text.charCodeAt(at);
    if (code === quote) {
      if (depth === 2 && text.startsWith(logprobKey, at)) {
        at += logprobKey.length;
        let end = at;
        while (end < text.length && text.charCodeAt(end) !== comma && text.charCodeAt(end) !== closingBrace) end += 1;
        const value = end === at ? Number.NaN : Number(text.slice(at, end));
        if (Number.isNaN(value)) return -1;
        logprobs.push(value);
        at = end;
      } else if (depth === 1) return -1;
      else at = skipString(text, at);
    } else {
      // [ and { open, ] and } close.
      if (code === 91 || code === 123) {
        if (depth === 1) entries += 1;
        depth += 1;
      } else if (code === closingBracket || code === closingBrace) depth -= 1;
      else if (depth === 1 && code !== comma) return -1;
      at += 1;
    }
  }
  // An entry without a number, or with two, is for the parser to judge.
  if (entries !== logprobs.length) return -1;
  if (text.charCodeAt(at) === closingBrace) return at + 1;
  return text.startsWith(noRefusal, at) ? at + noRefusal.length : -1;
}

/**
 * Finds the ids and log-probabilities of its one choice in a chunk; undefined where that needs the ordinary parser:
 * several choices, a prompt's ids, other spacing, numbers that are no ids.
 */
export function liftEvent(text: string): Lifted | undefined {
  const key = `${logprobsKey}${logprobsOpening}`;
  const keyAt = text.indexOf(key);
  const idsAt = text.indexOf(idsOpening, keyAt < 0 ? 0 : keyAt);
  if (keyAt < 0 || idsAt < 0 || text.includes('"prompt_token_ids"')) return undefined;
  const logprobs: number[] = [];
  const ids: number[] = [];
  const logprobsEnd = readLogprobs(text, keyAt + key.length, logprobs);
  const idsEnd = readIds(text, idsAt + idsOpening.length, ids);
  if (logprobsEnd < 0 || idsEnd < 0 || logprobsEnd > idsAt) return undefined;
  if (text.includes(idsOpening, idsEnd) || text.includes(key, logprobsEnd)) return undefined;
  return { ids, logprobs, logprobsAt: keyAt + logprobsKey.length, logprobsEnd, idsAt, idsEnd };
}

/** The chunk without its ids, and with log-probabilities null: the rest is what the agent gets, byte for byte. */
export function textWithout(text: string, { logprobsAt, logprobsEnd, idsAt, idsEnd }: Lifted): string {
  return `${text.slice(0, logprobsAt)}null${text.slice(logprobsEnd, idsAt)}${text.slice(idsEnd)}`;
}
