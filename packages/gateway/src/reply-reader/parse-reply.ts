import { WireError } from '../http/wire-error.ts';
import { shownUrl } from '../http/shown-url.ts';

function badJson(url: URL, problem: string, cause?: unknown): WireError {
  return new WireError(`the upstream ${shownUrl(url)} sent JSON that is ${problem}`, {
    code: 'upstream-malformed',
    wireCode: 'upstream-bad-json',
    cause,
  });
}

/** Parses what an upstream sent. @throws {WireError} `upstream-malformed` for what is no JSON object */
export function parseReply(text: string, url: URL): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badJson(url, 'cut off or broken', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badJson(url, 'not an object');
  return value as Record<string, unknown>;
}
