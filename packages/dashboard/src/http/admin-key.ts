import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { check, ConfigurationError } from '@agent-lightning/core';

/** The fewest characters of an admin key: shorter ones can be guessed. */
const shortestKey = 32;

/** The most bytes of the body of a request that writes. */
const largestBody = 128 * 1_024;

/** Checks the admin key of a dashboard. @throws {ConfigurationError} `option-invalid`, without the key */
export function checkAdminKey(key: string | undefined): string | undefined {
  if (key === undefined || (typeof key === 'string' && key.length >= shortestKey)) return key;
  const found = typeof key === 'string' ? `a text of ${(key as string).length} characters` : typeof key;
  throw check.optionInvalid('adminKey', found, `a text of at least ${shortestKey} characters that nobody can guess`);
}

/** Tells whether a request has the admin key, as `authorization: Bearer …`. It takes the same time for every wrong key. */
export function hasAdminKey({ headers }: Pick<IncomingMessage, 'headers'>, key: string | undefined): boolean {
  const given = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  return key !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(key));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Finds a reason not to write: no key, a wrong one, a page of another site, or a body that is no JSON. */
export function findWriteProblem(
  request: IncomingMessage,
  key: string | undefined,
): { readonly status: number; readonly code: string; readonly message: string } | undefined {
  const { headers } = request;
  if (key === undefined)
    return {
      status: 403,
      code: 'forbidden',
      message: 'this dashboard only reads: it was started without an admin key',
    };
  if (!hasAdminKey(request, key))
    return { status: 401, code: 'unauthorized', message: 'what writes needs the admin key: authorization: Bearer KEY' };
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin')
    return { status: 403, code: 'forbidden', message: 'the page of another site may not write here' };
  if (!/^application\/json\b/i.test(headers['content-type'] ?? ''))
    return { status: 415, code: 'request-invalid', message: 'what is written is sent as application/json' };
  return undefined;
}

/** Reads the JSON of a request. @throws {ConfigurationError} `option-invalid` for a body that is too large, or no JSON */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody) throw wrongBody(`has more than ${largestBody} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw wrongBody('is no JSON');
  }
}

function wrongBody(problem: string): ConfigurationError {
  return new ConfigurationError(`the body of the request ${problem}`, { code: 'option-invalid' });
}
