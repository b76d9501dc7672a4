/** A chunk of a stream whose ids and log-probabilities were cut out of its text: the rest is what the agent gets, byte for byte. */
export interface LiftedEvent {
  /** JSON without `token_ids`, and with `logprobs` null. */
  readonly text: string;
  readonly ids: readonly number[];
  readonly logprobs: readonly number[];
}

interface Cut {
  readonly values: readonly number[];
  /** The character after the value. */
  readonly end: number;
}

// A quote inside a JSON string is escaped, so that these can only be a key and the beginning of its value.
const idsKey = ',"token_ids":[';
const logprobsKey = '"logprobs":{"content":[';
const logprobKey = '"logprob":';

const quote = 34;
const backslash = 92;

function readIds(text: string, start: number): Cut | undefined {
  const values: number[] = [];
  let id = 0;
  let digits = 0;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) {
      id = id * 10 + (code - 48);
      digits += 1;
    } else if ((code === 44 || code === 93) && digits > 0 && digits < 11) {
      values.push(id);
      if (code === 93) return { values, end: at + 1 };
      id = 0;
      digits = 0;
    } else return undefined;
  }
  return undefined;
}

/** The character after a string that begins at `start`, its first quote included. */
function skipString(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) at += 1;
    else if (code === quote) return at + 1;
  }
  return at;
}

/** Reads the `logprob` of each entry of a `content` list, and not those of the alternatives inside an entry. */
function readLogprobs(text: string, start: number): Cut | undefined {
  const values: number[] = [];
  let depth = 1;
  let at = start;
  while (depth > 0) {
    if (at >= text.length) return undefined;
    const code = text.charCodeAt(at);
    if (code === quote) {
      if (depth === 2 && text.startsWith(logprobKey, at)) {
        at += logprobKey.length;
        let end = at;
        while (end < text.length && text.charCodeAt(end) !== 44 && text.charCodeAt(end) !== 125) end += 1;
        const value = end === at ? Number.NaN : Number(text.slice(at, end));
        if (Number.isNaN(value)) return undefined;
        values.push(value);
        at = end;
      } else at = skipString(text, at);
    } else {
      // [ and { open, ] and } close.
      if (code === 91 || code === 123) depth += 1;
      else if (code === 93 || code === 125) depth -= 1;
      at += 1;
    }
  }
  if (text.charCodeAt(at) === 125) return { values, end: at + 1 };
  const refusal = ',"refusal":null}';
  return text.startsWith(refusal, at) ? { values, end: at + refusal.length } : undefined;
}

/**
 * Cuts the ids and log-probabilities of its one choice out of a chunk; undefined where that needs the ordinary parser:
 * several choices, a prompt's ids, other spacing, numbers that are no ids.
 */
export function liftEvent(text: string): LiftedEvent | undefined {
  const logprobsAt = text.indexOf(logprobsKey);
  const idsAt = text.indexOf(idsKey, logprobsAt < 0 ? 0 : logprobsAt);
  if (logprobsAt < 0 || idsAt < 0 || text.includes('"prompt_token_ids"')) return undefined;
  const logprobs = readLogprobs(text, logprobsAt + logprobsKey.length);
  const ids = readIds(text, idsAt + idsKey.length);
  if (logprobs === undefined || ids === undefined || logprobs.end > idsAt) return undefined;
  if (text.includes(idsKey, ids.end) || text.includes(logprobsKey, logprobs.end)) return undefined;
  const rest = `${text.slice(0, logprobsAt)}"logprobs":null${text.slice(logprobs.end, idsAt)}${text.slice(ids.end)}`;
  return { text: rest, ids: ids.values, logprobs: logprobs.values };
}
