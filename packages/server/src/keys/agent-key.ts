import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Lease } from '@agent-lightning/core';

/** Says which attempt the key of an agent may write to, and until when. */
export interface AgentGrant {
  readonly lease: Lease;
  readonly expiresAtMs: number;
}

const prefix = 'agl-agent-';

/**
 * Returns a key for one attempt, signed with 256 bits. Nothing of it is stored: it names its lease itself, so it also holds after the
 * server was started again, and it is worth nothing once the attempt has ended, for its lease is then over.
 */
export function signAgentKey(secret: Buffer, { lease, expiresAtMs }: AgentGrant): string {
  const { rolloutId, attemptId, fencingToken } = lease;
  const said = Buffer.from(JSON.stringify([rolloutId, attemptId, fencingToken, expiresAtMs])).toString('base64url');
  return `${prefix}${said}.${sign(secret, said).toString('base64url')}`;
}

/** Returns what an agent's key says, or undefined for another key, one that nobody signed, and one that has expired. */
export function readAgentKey(secret: Buffer, key: string, nowMs: number): AgentGrant | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const [said = '', signature = ''] = key.slice(prefix.length).split('.');
  const given = Buffer.from(signature, 'base64url');
  const expected = sign(secret, said);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const [rolloutId, attemptId, fencingToken, expiresAtMs] = JSON.parse(Buffer.from(said, 'base64url').toString()) as [
    string,
    string,
    number,
    number,
  ];
  return expiresAtMs <= nowMs ? undefined : { lease: { rolloutId, attemptId, fencingToken }, expiresAtMs };
}

function sign(secret: Buffer, said: string): Buffer {
  return createHmac('sha256', secret).update(said).digest();
}
