import { hash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { check } from '@agent-lightning/core';
import type { Role } from './caller.ts';

/** The fewest characters of a key that this package did not make: those of 256 bits in base64url. */
const fewestCharacters = 43;
/** The fewest different characters: fewer are a placeholder. */
const fewestDifferent = 12;

/** Returns a new 256-bit key; its role can be read in it, for people. */
export function mintKey(role: Role): string {
  return `agl-${role}-${randomBytes(32).toString('base64url')}`;
}

/** Returns the SHA-256 of a key in hex, which is all that is kept of it. A fast hash is enough, for the key is random. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'hex');
}

/** Returns a key's name for logs and for revoking it. */
export function keyIdOf(keyHash: string): string {
  return keyHash.slice(0, 16);
}

/** Checks a key that a person chose. @throws {ConfigurationError} `option-invalid` for one that can be guessed */
export function checkKey(name: string, key: unknown): string {
  const isStrong =
    typeof key === 'string' &&
    key.length >= fewestCharacters &&
    new Set(key).size >= fewestDifferent &&
    /^[\x21-\x7e]+$/u.test(key);
  if (isStrong) return key;
  throw check.optionInvalid(
    name,
    'a key that can be guessed',
    `at least ${fewestCharacters} characters without spaces that nobody can guess, as mintKey makes them`,
  );
}

/** Returns the key that a request carries: `Authorization: Bearer`, the password (or else the user) of `Authorization: Basic`, or `x-api-key`. */
export function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const [scheme = '', credentials] = (headers.authorization ?? '').trim().split(/\s+/u);
  if (scheme.toLowerCase() === 'bearer' && credentials !== undefined) return credentials;
  if (scheme.toLowerCase() === 'basic' && credentials !== undefined) return basicKey(credentials);
  const plain = headers['x-api-key'];
  return typeof plain === 'string' ? plain : undefined;
}

/** Clients that can only be given a URL send what stands before its `@`. */
function basicKey(credentials: string): string | undefined {
  const text = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const [user, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  return (password === '' ? user : password) || undefined;
}
