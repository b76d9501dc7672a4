import type { IncomingMessage } from 'node:http';
import type { JsonValue } from '@agent-lightning/core';

/** Reads and parses a body; returns undefined when there is none. */
export async function readBody(request: IncomingMessage): Promise<JsonValue | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString('utf8')) as JsonValue);
}
