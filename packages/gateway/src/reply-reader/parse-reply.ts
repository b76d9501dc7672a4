import { ReplyError } from '../http/reply-error.ts';
import { shownUrl } from '../http/shown-url.ts';

function badJson(url: URL, problem: string, cause?: unknown): ReplyError {
  return new ReplyError(`the upstream ${shownUrl(url)} sent JSON that is ${problem}`, {
    code: 'upstream-malformed',
    replyCode: 'upstream-bad-json',
    cause,
  });
}

/** Parses what an upstream sent. @throws {ReplyError} `upstream-malformed` for what is no JSON object */
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
